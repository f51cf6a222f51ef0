// Where topic('NAME') gets its records from.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "record/commit_log.h"

#include <cstddef>
#include <string>
#include <vector>

namespace millrace::query {

/// A topic's partitions, each from its first record to its end, as of one moment.
struct TopicExtent {
  struct Partition {
    TopicPartition id;
    record::PartitionRange range;
  };

  std::string name;
  std::vector<Partition> partitions;
};

/// Thread-safe; called on threads that may block, never on a shard.
class TopicSource {
 public:
  virtual ~TopicSource() = default;

  /// kNotFound: names some of the topics that are there.
  virtual Result<TopicExtent> find(const std::string& name) const = 0;

  /// Whole batches from the one that holds `from`, or from the first one there still is when
  /// retention has passed it; at least one if there is one, about `max_bytes`. Empty at the end.
  /// Errors: kNotFound (the topic was deleted), CommitLog::read's.
  virtual Result<std::vector<record::StoredBatch>> read(TopicPartition partition, Offset from,
                                                        size_t max_bytes) const = 0;
};

}  // namespace millrace::query
