#include "kafka/error_map.h"
#include "kafka/handlers/handlers.h"
#include "runtime/coroutine.h"

namespace millrace::kafka {
namespace {

// KIP-79, KIP-734.
constexpr int64_t kLatest = -1;
constexpr int64_t kEarliest = -2;

using Answer = ListOffsetsResponse::Topic::Partition;

runtime::Task<void> answer_one(const Context& context, std::string_view topic_name,
                               ListOffsetsRequest::Topic::Partition asked, Answer& answer) {
  answer.partition_index = asked.partition_index;
  const auto topic = context.broker.find(topic_name);
  const auto partition = topic ? topic->partition(asked.partition_index) : nullptr;
  if (!partition) {
    answer.error_code = ErrorCode::kUnknownTopicOrPartition;
    co_return;
  }
  answer.leader_epoch = 0;
  if (asked.timestamp == kLatest || asked.timestamp == kEarliest) {
    const auto range = partition->range();
    answer.offset = asked.timestamp == kLatest ? range.end : range.start;
    co_return;
  }
  if (asked.timestamp < 0) {
    answer.error_code = ErrorCode::kInvalidRequest;  // the greatest timestamp (-3) and later ones
    co_return;
  }
  const auto found = co_await partition->find_timestamp(asked.timestamp);
  if (!found.ok()) {
    answer.error_code = error_code_of(found.error().code);
    co_return;
  }
  if (const auto& record = *found) {
    answer.offset = record->offset;
    answer.timestamp = record->timestamp_ms;
  }
}

}  // namespace

runtime::Task<ListOffsetsResponse> list_offsets(Context& context, const ListOffsetsRequest& request,
                                                [[maybe_unused]] const Call& call) {
  ListOffsetsResponse response;
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.name = std::string(topic.name);
    out.partitions.reserve(topic.partitions.size());
    for (const auto& asked : topic.partitions) {
      co_await answer_one(context, topic.name, asked, out.partitions.emplace_back());
    }
  }
  co_return response;
}

}  // namespace millrace::kafka
