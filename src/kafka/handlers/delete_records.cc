#include "base/log.h"
#include "kafka/error_map.h"
#include "kafka/handlers/handlers.h"
#include "runtime/coroutine.h"

namespace millrace::kafka {
namespace {

/// Of Broker::delete_records(). The protocol has no place for the reason: the log has it.
ErrorCode deletion_error_of(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
      return ErrorCode::kOffsetOutOfRange;
    case Code::kForbidden:
      return ErrorCode::kPolicyViolation;
    default:
      return error_code_of(error.code);
  }
}

}  // namespace

runtime::Task<DeleteRecordsResponse> delete_records(Context& context,
                                                    const DeleteRecordsRequest& request,
                                                    [[maybe_unused]] const Call& call) {
  std::vector<broker::RecordsToDelete> records;
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      records.push_back({std::string(topic.name), partition.partition_index, partition.offset});
    }
  }
  const auto starts = co_await context.broker.delete_records(std::move(records));
  DeleteRecordsResponse response;
  auto start = starts.begin();
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.name = std::string(topic.name);
    for (const auto& partition : topic.partitions) {
      auto& answer = out.partitions.emplace_back();
      answer.partition_index = partition.partition_index;
      if (start->ok()) {
        answer.low_watermark = **start;
      } else {
        answer.error_code = deletion_error_of(start->error());
        log::info("kafka", "records are not deleted: {}", start->error().message);
      }
      ++start;
    }
  }
  co_return response;
}

}  // namespace millrace::kafka
