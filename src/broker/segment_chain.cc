#include "broker/segment_chain.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

namespace millrace::broker {
namespace {

/// A chain by its last part.
struct Chain {
  uint64_t needed = 0;  // batches that nothing else has
  uint64_t batches = 0;
  uint64_t bytes = 0;
  size_t parts = 0;
  std::optional<size_t> last;

  bool is_better_than(const Chain& other) const {
    return std::tuple(needed, batches, bytes, other.parts) >
           std::tuple(other.needed, other.batches, other.bytes, parts);
  }

  void add(size_t i, const ChainPart& part, bool is_needed) {
    needed += is_needed ? part.batches : 0;
    batches += part.batches;
    bytes += part.bytes;
    ++parts;
    last = i;
  }
};

/// Indexes of the parts that may be in a chain, so that those that end where one begins come before
/// it.
std::vector<size_t> in_order(std::span<const ChainPart> parts, std::optional<Offset> upto) {
  std::vector<size_t> order;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!upto || parts[i].next <= *upto) {
      order.push_back(i);
    }
  }
  std::ranges::sort(order, [&](size_t a, size_t b) {
    return std::tuple(parts[a].first, parts[a].next, a) <
           std::tuple(parts[b].first, parts[b].next, b);
  });
  return order;
}

/// Its parts, in order.
std::vector<size_t> parts_of(const Chain& chain, const std::vector<std::optional<size_t>>& before) {
  std::vector<size_t> parts;
  for (auto at = chain.last; at; at = before[*at]) {
    parts.push_back(*at);
  }
  std::ranges::reverse(parts);
  return parts;
}

}  // namespace

std::vector<size_t> choose_chain(std::span<const ChainPart> parts,
                                 const std::optional<record::PartitionRange>& kept) {
  std::map<Offset, Chain> best;  // by where it ends
  std::vector<std::optional<size_t>> before(parts.size());
  for (const size_t i : in_order(parts, kept ? std::optional(kept->end) : std::nullopt)) {
    const ChainPart& part = parts[i];
    const auto found = best.find(part.first);
    if (found == best.end() && kept && part.first > kept->start) {
      continue;  // it cannot begin here
    }
    Chain chain = found == best.end() ? Chain{} : found->second;
    before[i] = chain.last;
    chain.add(i, part, !kept || part.first < kept->start);
    const auto [at, is_new] = best.try_emplace(part.next, chain);
    if (!is_new && chain.is_better_than(at->second)) {
      at->second = chain;
    }
  }
  Chain chosen;
  for (const auto& [end, chain] : best) {
    const bool meets = !kept || end >= kept->start;
    if (meets && !chosen.is_better_than(chain)) {
      chosen = chain;
    }
  }
  return parts_of(chosen, before);
}

std::vector<size_t> choose_parts(std::span<const ChainPart> parts, std::optional<Offset> upto) {
  std::map<Offset, Chain> best;  // by where it ends; each is better than those that end before it
  std::vector<std::optional<size_t>> before(parts.size());
  for (const size_t i : in_order(parts, upto)) {
    const ChainPart& part = parts[i];
    const auto behind = best.upper_bound(part.first);
    Chain chain = behind == best.begin() ? Chain{} : std::prev(behind)->second;
    before[i] = chain.last;
    chain.add(i, part, true);
    const auto worse = best.upper_bound(part.next);
    if (worse != best.begin() && !chain.is_better_than(std::prev(worse)->second)) {
      continue;
    }
    auto at = best.insert_or_assign(part.next, chain).first;
    for (++at; at != best.end() && !at->second.is_better_than(chain);) {
      at = best.erase(at);
    }
  }
  return best.empty() ? std::vector<size_t>() : parts_of(best.rbegin()->second, before);
}

}  // namespace millrace::broker
