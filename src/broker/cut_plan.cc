#include "broker/cut_plan.h"

#include <algorithm>
#include <iterator>

namespace millrace::broker {
namespace {

segment::CutPart part_of(const Uncut& uncut) {
  return {uncut.partition, uncut.first, uncut.next};
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
    if (one.bytes >= rules.bytes) {
      full.push_back({part_of(one)});
    } else if (one.age < rules.age && !one.is_pressing) {
      continue;
    } else if (one.bytes >= rules.least_segment) {
      rest.push_back({part_of(one)});
    } else {
      mixed.push_back(part_of(one));
      mixed_bytes += one.bytes;
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
