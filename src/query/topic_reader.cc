#include "query/topic_reader.h"

#include "runtime/coroutine.h"
#include "runtime/on_shard.h"

#include <algorithm>

namespace millrace::query {
namespace {

constexpr size_t kMostNames = 5;
/// Each time retention has moved the start once more, which takes it seconds.
constexpr int kMostTries = 3;

std::string some_names(const std::vector<broker::TopicPtr>& topics) {
  std::string names;
  for (size_t i = 0; i < topics.size() && i < kMostNames; ++i) {
    names += (i == 0 ? "" : ", ") + topics[i]->name();
  }
  if (topics.size() > kMostNames) {
    names += fmt::format(" and {} more", topics.size() - kMostNames);
  }
  return names.empty() ? "there are none" : "there are " + names;
}

}  // namespace

Result<TopicExtent> TopicReader::find(const std::string& name) const {
  const auto topic = broker_.find(name);
  if (!topic) {
    return make_error(Code::kNotFound, "no topic '{}': {}", name, some_names(broker_.topics()));
  }
  TopicExtent extent{.name = name};
  extent.partitions.reserve(topic->partitions.size());
  for (const auto& partition : topic->partitions) {
    extent.partitions.push_back({partition->id(), partition->range()});
  }
  return extent;
}

Result<std::vector<record::StoredBatch>> TopicReader::read(TopicPartition id, Offset from,
                                                           size_t max_bytes) const {
  for (int tries = 1;; ++tries) {
    const auto topic = broker_.find(id.topic);
    const auto partition = topic ? topic->partition(id.partition) : nullptr;
    if (!partition) {
      return make_error(Code::kNotFound, "the topic was deleted while it was read");
    }
    const auto range = partition->range();
    from = std::max(from, range.start);
    if (from >= range.end) {
      return std::vector<record::StoredBatch>();
    }
    auto& shard = shards_.shard(next_shard_++ % shards_.size());
    auto batches = runtime::block_on(shard, partition->read(from, max_bytes));
    if (batches.ok() || batches.error().code != Code::kNotFound || tries == kMostTries) {
      return batches;
    }
  }
}

}  // namespace millrace::query
