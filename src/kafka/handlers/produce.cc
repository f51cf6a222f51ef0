#include "kafka/error_map.h"
#include "kafka/handlers/handlers.h"
#include "record/record_batch.h"
#include "runtime/coroutine.h"

namespace millrace::kafka {
namespace {

using Answer = ProduceResponse::Topic::Partition;

constexpr size_t kMaxContent = size_t{128} << 20;  // of one batch, decompressed
constexpr size_t kLeastShared = size_t{16}
                                << 10;  // below it a copy costs less than what a slab wastes

void refuse(Answer& answer, ErrorCode code, std::string message) {
  answer.error_code = code;
  answer.error_message = std::move(message);
}

/// Batches that passed, and the answers that wait for their offsets.
struct Accepted {
  std::vector<broker::PartitionAppend> batches;
  std::vector<Answer*> answers;
};

/// The batch without the frame around it where that would hold much more memory than the batch: the
/// tail cache keeps batches for a long time, and counts their own bytes.
bytes::Buffer keep(const bytes::Buffer& frame, std::span<const std::byte> batch) {
  const bool is_most_of_it = batch.size() >= kLeastShared && batch.size() >= frame.size() / 2;
  return is_most_of_it ? frame.slice(batch) : bytes::Buffer::copy_of(batch);
}

/// Returns the greatest timestamp of its records.
Result<TimestampMs> check_batch(const record::BatchView& batch,
                                const broker::TopicSettings& settings) {
  if (batch.bytes.size() > static_cast<size_t>(settings.max_message_bytes)) {
    return make_error(Code::kInvalid, "batch of {} bytes, max.message.bytes is {}",
                      batch.bytes.size(), settings.max_message_bytes);
  }
  if (batch.header.is_control() || batch.header.is_transactional()) {
    return make_error(Code::kUnsupported, "transactions are not supported");
  }
  if (batch.header.timestamp_type() == record::TimestampType::kLogAppend) {
    return make_error(Code::kInvalid, "timestamp type LogAppendTime, must be CreateTime");
  }
  return record::validate_records(batch, kMaxContent);
}

/// Checks one partition's records; on success appends it to `accepted`.
void check_partition(const broker::Topic& topic, const ProduceRequest::Topic::Partition& sent,
                     const Call& call, Answer& answer, Accepted& accepted) {
  const auto partition = topic.partition(sent.index);
  if (!partition) {
    return refuse(answer, ErrorCode::kUnknownTopicOrPartition,
                  fmt::format("topic {} has {} partitions", topic.name(), topic.partitions.size()));
  }
  if (topic.record.settings.is_table) {
    return refuse(answer, ErrorCode::kPolicyViolation,
                  fmt::format("topic {} is the log of a table: write to it by HTTP", topic.name()));
  }
  if (!sent.records || sent.records->bytes.empty()) {
    return refuse(answer, ErrorCode::kInvalidRecord, "no records");
  }
  const auto batch = record::parse_batch(sent.records->bytes);
  if (!batch.ok()) {
    return refuse(answer, batch_error_code_of(batch.error().code), batch.error().message);
  }
  if (batch->bytes.size() != sent.records->bytes.size()) {
    return refuse(answer, ErrorCode::kInvalidRecord,
                  "a partition takes one record batch a request (KIP-98)");
  }
  const auto newest = check_batch(*batch, topic.record.settings);
  if (!newest.ok()) {
    const bool is_large =
        batch->bytes.size() > static_cast<size_t>(topic.record.settings.max_message_bytes);
    return refuse(answer, is_large ? ErrorCode::kMessageTooLarge : ErrorCode::kInvalidRecord,
                  newest.error().message);
  }
  accepted.batches.push_back({partition, keep(call.frame, batch->bytes), record::whole_crc(*batch),
                              static_cast<uint32_t>(batch->header.record_count),
                              newest->time_since_epoch().count()});
  accepted.answers.push_back(&answer);
}

}  // namespace

runtime::Task<ProduceResponse> produce(Context& context, const ProduceRequest& request,
                                       const Call& call) {
  ProduceResponse response;
  Accepted accepted;
  const bool acks_legal = request.acks >= -1 && request.acks <= 1;
  response.responses.reserve(request.topics.size());
  for (const auto& sent : request.topics) {
    auto& out = response.responses.emplace_back();
    out.name = std::string(sent.name);
    out.partitions.reserve(sent.partitions.size());  // answers are pointed to
    const auto topic = context.broker.find(sent.name);
    for (const auto& partition : sent.partitions) {
      Answer& answer = out.partitions.emplace_back();
      answer.index = partition.index;
      if (call.version < 3) {
        refuse(answer, ErrorCode::kUnsupportedVersion,
               "Produce below version 3 carries the old message format");
      } else if (!acks_legal) {
        refuse(answer, ErrorCode::kInvalidRequiredAcks,
               fmt::format("acks={}, must be -1, 0 or 1", request.acks));
      } else if (request.transactional_id) {
        refuse(answer, ErrorCode::kInvalidRequest, "transactions are not supported");
      } else if (!topic) {
        refuse(answer, ErrorCode::kUnknownTopicOrPartition,
               fmt::format("there is no topic {}", sent.name));
      } else {
        check_partition(*topic, partition, call, answer, accepted);
      }
    }
  }
  if (accepted.batches.empty()) {
    co_return response;
  }
  std::vector<std::shared_ptr<broker::Partition>> partitions;
  partitions.reserve(accepted.batches.size());
  for (const auto& batch : accepted.batches) {
    partitions.push_back(batch.partition);
  }
  const auto outcome =
      co_await broker::Partition::append(context.broker.log(), std::move(accepted.batches), {});
  for (size_t i = 0; i < accepted.answers.size(); ++i) {
    Answer& answer = *accepted.answers[i];
    if (!outcome.ok()) {
      refuse(answer, error_code_of(outcome.error().code), outcome.error().message);
      continue;
    }
    answer.base_offset = outcome->base_offsets[i];
    answer.log_start_offset = partitions[i]->range().start;
  }
  co_return response;
}

}  // namespace millrace::kafka
