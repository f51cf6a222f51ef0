// The broker's topics for queries.
#pragma once

#include "broker/broker.h"
#include "query/topic_source.h"
#include "runtime/shard.h"

#include <atomic>

namespace millrace::query {

/// Reads run on the shards, a read at a time on each in turn. Broker and shards outlive it.
class TopicReader final : public TopicSource {
 public:
  TopicReader(broker::Broker& broker, runtime::ShardSet& shards)
      : broker_(broker), shards_(shards) {}

  Result<TopicExtent> find(const std::string& name) const override;
  Result<std::vector<record::StoredBatch>> read(TopicPartition partition, Offset from,
                                                size_t max_bytes) const override;

 private:
  broker::Broker& broker_;
  runtime::ShardSet& shards_;
  mutable std::atomic<size_t> next_shard_{0};
};

}  // namespace millrace::query
