// Every CRC of a segment object: for who looks for damage.
#pragma once

#include "base/result.h"
#include "objects/object_store.h"
#include "segment/segment.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::segment {

/// Says something of the object, and not that the store cannot be asked now.
bool is_of_the_object(const Error& error);

/// Offsets [first, next) of a partition.
struct PartRange {
  TopicPartition partition;
  Offset first;
  Offset next;
};

/// A place of an object that is not what was written.
struct ObjectDamage {
  const char* problem;  // as `millrace fsck` calls it: docs/operations.md
  std::optional<uint64_t> position;
  std::string what;
  std::optional<PartRange> range;  // nullopt: all that the object has
};

/// Goes through an object, an index or some batches a step. One thread; blocks. Errors of all
/// calls: those of objects::ObjectReader that are not of the object.
class ObjectCheck {
 public:
  using Damages = std::vector<ObjectDamage>;

  enum class Depth : uint8_t { kIndexes, kData };

  /// Reads footer and tail. nullptr: they are damaged, as was added.
  static Result<std::unique_ptr<ObjectCheck>> open(std::unique_ptr<objects::ObjectReader> reader,
                                                   const std::string& name, Depth depth,
                                                   Damages& damages);

  const Segment& object() const { return *object_; }

  /// nullopt: it is damaged, as was added.
  Result<std::optional<Header>> header(Damages& damages) const;

  bool is_done() const { return part_ == object_->tail().partitions.size(); }

  /// Adds what is wrong; returns the bytes of batches that it went over.
  Result<uint64_t> step(Damages& damages);

 private:
  ObjectCheck(std::unique_ptr<Segment> object, Depth depth)
      : object_(std::move(object)), depth_(depth) {}

  Result<uint64_t> begin_part(const PartitionRow& row, Damages& damages);
  Result<uint64_t> step_data(const PartitionRow& row, const PartitionIndex& index,
                             Damages& damages);
  void end_part();

  const std::unique_ptr<Segment> object_;
  const Depth depth_;
  size_t part_ = 0;                      // row of the tail
  std::optional<PartitionIndex> index_;  // nullopt: of that row not read yet
  Offset at_;                            // of its batches
};

}  // namespace millrace::segment
