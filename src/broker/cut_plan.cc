#include "broker/cut_plan.h"

#include <algorithm>
#include <iterator>

namespace millrace::broker {
namespace {

struct Due {
  segment::CutPart part;
  uint64_t bytes = 0;
};

std::optional<Due> due_of(const Uncut& uncut, const CutRules& rules) {
  const bool is_full = uncut.bytes >= rules.bytes;
  if ((is_full && (uncut.age >= rules.least_age || uncut.pressing)) || uncut.age >= rules.age) {
    return Due{{uncut.partition, uncut.first, uncut.next}, uncut.bytes};
  }
  if (uncut.pressing) {
    return Due{{uncut.partition, uncut.first, *uncut.pressing}, uncut.pressing_bytes};
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::vector<segment::CutPart>> plan_cuts(std::vector<Uncut> uncut,
                                                     const CutRules& rules) {
  std::ranges::sort(uncut, {}, &Uncut::partition);
  std::vector<std::vector<segment::CutPart>> full;
  std::vector<std::vector<segment::CutPart>> rest;
  std::vector<segment::CutPart> mixed;
  uint64_t mixed_bytes = 0;
  const auto end_mixed = [&] {
    if (!mixed.empty()) {
      rest.push_back(std::move(mixed));
    }
    mixed.clear();
    mixed_bytes = 0;
  };
  for (const Uncut& one : uncut) {
    const auto due = due_of(one, rules);
    if (!due) {
      continue;
    }
    if (due->bytes >= rules.bytes) {
      full.push_back({due->part});
    } else if (due->bytes >= rules.least_segment) {
      rest.push_back({due->part});
    } else {
      mixed.push_back(due->part);
      mixed_bytes += due->bytes;
      if (mixed_bytes >= rules.bytes) {
        end_mixed();
      }
    }
  }
  end_mixed();
  std::ranges::move(rest, std::back_inserter(full));
  return full;
}

}  // namespace millrace::broker
