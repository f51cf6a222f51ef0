// Makes an object of what lies in the log.
#pragma once

#include "objects/object_store.h"
#include "record/commit_log.h"
#include "segment/segment_writer.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace millrace::segment {

/// Offsets [first, next) of a partition that are to go into an object; both are ends of batches.
struct CutPart {
  TopicPartition partition;
  Offset first;
  Offset next;
};

/// Of one partition in an object; it ends with the batch that reaches one of them.
struct CutLimits {
  uint64_t bytes = uint64_t{64} << 20;
  size_t batches = size_t{1} << 16;
};

/// Where the batches and the topics come from. Both are called by the thread that calls cut().
struct CutSource {
  /// As record::CommitLog::read.
  std::function<Result<std::vector<record::StoredBatch>>(TopicPartition, Offset from,
                                                         size_t max_bytes)>
      read;
  std::function<TopicEntry(const TopicId&)> topic;
};

struct Cut {
  std::string name;
  MadeSegment made;  // no partitions: nothing could be read, and there is no object
  /// Partitions that end early, or are not in it, because their next batch cannot be read.
  std::vector<std::pair<TopicPartition, Error>> unread;
};

/// `parts`: in order of partition, each once, none empty. One: a segment, else a mixed object.
/// Blocking. Errors: those of the store; the object may be there, see ObjectWriter::publish(). Then
/// only another object id may be used, since what the log has may be another the next time.
Result<Cut> cut(objects::ObjectStore& store, const Header& header, std::span<const CutPart> parts,
                const CutSource& source, const CutLimits& limits = {});

}  // namespace millrace::segment
