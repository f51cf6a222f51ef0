// Which objects a partition's history is read from, when only the objects themselves can say.
#pragma once

#include "base/ids.h"
#include "record/commit_log.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace millrace::broker {

/// Offsets [first, next) of one partition in an object.
struct ChainPart {
  Offset first;
  Offset next;
  uint64_t batches = 0;
  uint64_t bytes = 0;  // of these
};

/// A dense chain: each part begins where the one before ends. Returns indexes of `parts`, in order
/// of offset; empty: there is none. Parts overlap where a crash left an object whose offsets were
/// cut again; then any choice has the same records.
///
/// With `kept`, what the journal has of the partition, history and journal must meet: the chain
/// begins at or before kept.start and ends in [kept.start, kept.end]. Otherwise offsets between
/// them would be nowhere, or the journal would give up what no object has. Of all chains the one
/// that holds most of what the journal has not, then most at all, then in the fewest objects.
/// Without `kept` the one that holds most; of equal ones the last. What holds most has most
/// batches, then most bytes: a filler is one of few bytes, however many offsets it has, also where
/// a merge put it beside others.
std::vector<size_t> choose_chain(std::span<const ChainPart> parts,
                                 const std::optional<record::PartitionRange>& kept);

/// Where offsets may be missing between two: retention took them, whose later parts shared no
/// object with anybody, or they are lost. Of parts that overlap those that together hold most, then
/// the fewest; of those only that end at or before `upto`. Returns indexes of `parts`, in order of
/// offset.
std::vector<size_t> choose_parts(std::span<const ChainPart> parts,
                                 std::optional<Offset> upto = std::nullopt);

}  // namespace millrace::broker
