#include "kafka/error_map.h"
#include "kafka/handlers/handlers.h"
#include "record/record_batch.h"
#include "runtime/coroutine.h"

#include <algorithm>

namespace millrace::kafka {
namespace {

using Asked = FetchRequest::Topic::Partition;
using Answer = FetchResponse::Topic::Partition;

constexpr size_t kMaxResponse = size_t{64} << 20;  // whatever the client allows
constexpr int32_t kMaxWaitMs = 60'000;             // a client that has gone is noticed by then
constexpr size_t kReadsAtOnce = 8;                 // that the memory for reads is enough for

/// One partition of the request, found.
struct Target {
  std::shared_ptr<broker::Partition> partition;
  Asked asked;
  Answer* answer = nullptr;
  ErrorCode unknown = ErrorCode::kNone;  // the error of a topic that is not there
};

/// The response with an answer for each partition asked for, and those that can be read.
std::vector<Target> find_targets(const Context& context, const FetchRequest& request,
                                 int16_t version, FetchResponse& response) {
  std::vector<Target> targets;
  response.responses.reserve(request.topics.size());
  for (const auto& asked_topic : request.topics) {
    auto& out = response.responses.emplace_back();
    out.topic = std::string(asked_topic.topic);
    out.topic_id = asked_topic.topic_id;
    out.partitions.reserve(asked_topic.partitions.size());  // answers are pointed to
    const ErrorCode unknown =
        version >= 13 ? ErrorCode::kUnknownTopicId : ErrorCode::kUnknownTopicOrPartition;
    const auto topic = version >= 13 ? context.broker.find(asked_topic.topic_id)
                                     : context.broker.find(asked_topic.topic);
    for (const Asked& asked : asked_topic.partitions) {
      Answer& answer = out.partitions.emplace_back();
      answer.partition_index = asked.partition;
      answer.high_watermark = Offset{-1};
      answer.records = RecordsParts{};
      const auto partition = topic ? topic->partition(asked.partition) : nullptr;
      if (!partition) {
        answer.error_code = topic ? ErrorCode::kUnknownTopicOrPartition : unknown;
        continue;
      }
      if (asked.current_leader_epoch > 0) {
        answer.error_code = ErrorCode::kUnknownLeaderEpoch;
        continue;
      }
      targets.push_back({partition, asked, &answer, unknown});
    }
  }
  return targets;
}

/// The stored batch with its offsets as assigned.
void append_batch(const record::StoredBatch& batch, RecordsParts& records) {
  const auto header = record::parse_header(batch.payload);
  if (!header.ok()) {
    return;  // the journal's CRC vouches for it; a batch that is none was never let in
  }
  const record::BatchView view{*header, batch.payload.span()};
  const record::BatchHead head = record::head_with(view, batch.base_offset, 0);
  records.parts.push_back(bytes::Buffer::copy_of(head));
  records.parts.push_back(batch.payload.slice(head.size(), batch.payload.size() - head.size()));
}

/// Whole batches from `from`, at least one if there is one. Those from files are added to `held`;
/// those in memory are counted where they lie. Errors: Partition::read's; kOverloaded (`reads` is
/// spent: nothing was read).
runtime::Task<Result<std::vector<record::StoredBatch>>> read_within(MemoryBudget& reads,
                                                                    MemoryBudget::Reservation& held,
                                                                    broker::Partition& partition,
                                                                    Offset from, size_t limit) {
  auto tail = partition.read_tail(from, limit);
  if (!tail.empty()) {
    co_return tail;
  }
  limit = std::min(limit, reads.limit() / kReadsAtOnce);
  auto reserved = reads.try_reserve(limit);
  if (!reserved) {
    co_return make_error(Code::kOverloaded, "responses from files take {} of {} bytes",
                         reads.used(), reads.limit());
  }
  auto batches = co_await partition.read(from, limit);
  if (batches.ok()) {
    size_t bytes = 0;
    for (const auto& batch : *batches) {
      bytes += batch.payload.size();
    }
    reserved.resize(bytes);  // the first batch comes whole, whatever the limit
    held.add(std::move(reserved));
  }
  co_return batches;
}

/// What one partition gave.
struct Part {
  size_t bytes = 0;
  bool is_short_of_memory = false;
};

/// Reads one partition. `room`: what the response may still take; the first batch of a response
/// comes whole whatever its size (KIP-74).
runtime::Task<Part> read_partition(MemoryBudget& reads, MemoryBudget::Reservation& held,
                                   Target& target, size_t room, bool is_first) {
  Answer& answer = *target.answer;
  if (target.partition->has_ended()) {  // while the request waited
    answer.error_code = target.unknown;
    answer.records = RecordsParts{};
    answer.high_watermark = answer.last_stable_offset = answer.log_start_offset = Offset{-1};
    co_return Part{};
  }
  const auto range = target.partition->range();
  answer.error_code = ErrorCode::kNone;
  answer.records = RecordsParts{};
  answer.high_watermark = range.end;
  answer.last_stable_offset = range.end;
  answer.log_start_offset = range.start;
  if (target.asked.fetch_offset < range.start || target.asked.fetch_offset > range.end) {
    answer.error_code = ErrorCode::kOffsetOutOfRange;
    co_return Part{};
  }
  const size_t limit =
      std::min(room, static_cast<size_t>(std::max(target.asked.partition_max_bytes, 0)));
  if (target.asked.fetch_offset == range.end || (limit == 0 && !is_first)) {
    co_return Part{};
  }
  auto batches =
      co_await read_within(reads, held, *target.partition, target.asked.fetch_offset, limit);
  if (!batches.ok()) {
    const Code code = batches.error().code;
    if (code == Code::kOverloaded) {
      co_return Part{.is_short_of_memory = true};
    }
    answer.error_code =
        code == Code::kNotFound ? ErrorCode::kOffsetOutOfRange : error_code_of(code);
    co_return Part{};
  }
  Part part;
  for (const auto& batch : *batches) {
    if (!is_first && part.bytes + batch.payload.size() > limit) {
      break;
    }
    part.bytes += batch.payload.size();
    append_batch(batch, *answer.records);
    is_first = false;
  }
  co_return part;
}

struct Round {
  size_t bytes = 0;
  bool has_error = false;
  bool is_short_of_memory = false;
};

runtime::Task<Round> read_all(MemoryBudget& reads, MemoryBudget::Reservation& held,
                              std::vector<Target>& targets, size_t max_bytes) {
  Round round;
  for (Target& target : targets) {
    const size_t room = max_bytes > round.bytes ? max_bytes - round.bytes : 0;
    const Part part = co_await read_partition(reads, held, target, room, round.bytes == 0);
    round.bytes += part.bytes;
    round.is_short_of_memory |= part.is_short_of_memory;
    round.has_error |= target.answer->error_code != ErrorCode::kNone;
  }
  co_return round;
}

/// Waits at all partitions while it lives.
class Waiting {
 public:
  explicit Waiting(const std::vector<Target>& targets) : targets_(targets) {
    for (const Target& target : targets_) {
      target.partition->add_waiter(waiter_);
    }
  }

  ~Waiting() {
    for (const Target& target : targets_) {
      target.partition->remove_waiter(waiter_);
    }
  }

  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  const std::shared_ptr<broker::ReadWaiter>& waiter() const { return waiter_; }

 private:
  const std::vector<Target>& targets_;
  std::shared_ptr<broker::ReadWaiter> waiter_ = std::make_shared<broker::ReadWaiter>();
};

bool has_news(const std::vector<Target>& targets) {
  return std::any_of(targets.begin(), targets.end(), [](const Target& target) {
    return target.partition->range().end > target.answer->high_watermark ||
           target.partition->has_ended();
  });
}

}  // namespace

runtime::Task<FetchResponse> fetch(Context& context, const FetchRequest& request,
                                   const Call& call) {
  FetchResponse response;
  if (request.session_id != 0) {
    response.error_code =
        ErrorCode::kFetchSessionIdNotFound;  // we open no sessions: every fetch is whole
    co_return response;
  }
  auto targets = find_targets(context, request, call.version, response);
  size_t asked = 0;
  for (const auto& topic : request.topics) {
    asked += topic.partitions.size();
  }
  const bool has_unknown = targets.empty() || asked != targets.size();
  const size_t max_bytes =
      std::min(static_cast<size_t>(std::max(request.max_bytes, 0)), kMaxResponse);
  const auto min_bytes = static_cast<size_t>(std::max(request.min_bytes, 0));
  const auto max_wait = std::chrono::milliseconds(std::clamp(request.max_wait_ms, 0, kMaxWaitMs));
  const auto deadline = runtime::Deadline::after(max_wait);
  while (true) {
    const Round round = co_await read_all(context.reads, call.held, targets, max_bytes);
    if (round.bytes >= std::min(min_bytes, max_bytes) || round.has_error || has_unknown ||
        deadline.has_passed() || call.stop.is_cancelled()) {
      co_return response;
    }
    for (const Target& target : targets) {
      target.answer->records = RecordsParts{};  // read again after the wait
    }
    call.held.release();
    if (round.is_short_of_memory) {
      co_await runtime::sleep_until(runtime::Deadline::after(kMemoryRetry), call.stop);
      continue;
    }
    const Waiting waiting(targets);
    const runtime::CancelCallback on_stop(call.stop,
                                          [waiter = waiting.waiter()] { waiter->more.set(); });
    if (!has_news(targets)) {
      co_await waiting.waiter()->more.wait(deadline);
    }
  }
}

}  // namespace millrace::kafka
