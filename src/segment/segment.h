// A segment object that is read. Format: docs/formats/segment.md.
#pragma once

#include "base/result.h"
#include "objects/object_store.h"
#include "record/commit_log.h"
#include "segment/format.h"
#include "segment/partition_index.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace millrace::segment {

/// Thread-safe; blocking. Errors of all calls, with the object's name: kCorrupt (what does not fit,
/// and where; the object is no longer there), kUnsupported (a newer version made it), those of
/// objects::ObjectReader.
class Segment {
 public:
  /// Of the end of the object, read at once: nearly always all that open() and index() need.
  static constexpr size_t kEndBytes = size_t{64} << 10;

  /// Reads footer and tail.
  static Result<std::unique_ptr<Segment>> open(std::unique_ptr<objects::ObjectReader> object,
                                               std::string name);

  const std::string& name() const { return name_; }

  const Footer& footer() const { return footer_; }

  const Tail& tail() const { return tail_; }

  /// Memory that it takes, about.
  size_t held_bytes() const { return end_.size() + footer_.tail_bytes(); }

  /// `row`: of this object's tail.
  Result<PartitionIndex> index(const PartitionRow& row) const;

  /// Whole batches from the one that holds `from` on, at least one, until `limit`, by one read;
  /// empty when `from` is not in the row's offsets. A damaged batch ends them; when it is the
  /// first, it is the error. kOverloaded: not let by `limit`.
  Result<std::vector<record::StoredBatch>> read(const PartitionRow& row,
                                                const PartitionIndex& index, Offset from,
                                                const record::ReadLimit& limit) const;

  /// Reads it: who made the object, and when.
  Result<Header> header() const;

  /// Reads everything: the header too, and every batch. Returns the header.
  Result<Header> verify() const;

 private:
  Segment(std::unique_ptr<objects::ObjectReader> object, std::string name)
      : object_(std::move(object)), name_(std::move(name)) {}

  Status load();
  Error within(Error error) const;
  /// Bytes [position, position + bytes), out of the end if they are there.
  Result<std::vector<std::byte>> bytes_at(uint64_t position, size_t bytes) const;

  const std::unique_ptr<objects::ObjectReader> object_;
  const std::string name_;
  Footer footer_;
  Tail tail_;
  std::vector<std::byte> end_;  // the last bytes of the object, without the footer
};

}  // namespace millrace::segment
