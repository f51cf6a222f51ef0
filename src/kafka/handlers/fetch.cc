#include "kafka/error_map.h"
#include "kafka/handlers/handlers.h"
#include "record/record_batch.h"
#include "runtime/coroutine.h"
#include "runtime/gate.h"
#include "runtime/shard.h"

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

/// One partition's part of a round.
struct Reading {
  Target* target = nullptr;
  size_t limit = 0;  // bytes
  Result<std::vector<record::StoredBatch>> batches = std::vector<record::StoredBatch>();
  bool is_from_files = false;
  bool is_short_of_memory = false;  // nothing was read
};

/// What the partition holds, into the answer; false when there is nothing to read or it is an
/// error.
bool look(Target& target) {
  Answer& answer = *target.answer;
  answer.records = RecordsParts{};
  if (target.partition->has_ended()) {  // while the request waited
    answer.error_code = target.unknown;
    answer.high_watermark = answer.last_stable_offset = answer.log_start_offset = Offset{-1};
    return false;
  }
  const auto range = target.partition->range();
  answer.error_code = ErrorCode::kNone;
  answer.high_watermark = range.end;
  answer.last_stable_offset = range.end;
  answer.log_start_offset = range.start;
  if (target.asked.fetch_offset < range.start ||
      target.asked.fetch_offset > target.partition->assigned_end()) {
    answer.error_code = ErrorCode::kOffsetOutOfRange;
    return false;
  }
  return target.asked.fetch_offset < range.end;
}

size_t bytes_of(const std::vector<record::StoredBatch>& batches) {
  size_t bytes = 0;
  for (const auto& batch : batches) {
    bytes += batch.payload.size();
  }
  return bytes;
}

/// What is to be read of which partition, in the order asked for; what lies in memory is taken.
/// What files may give is counted as if they gave all of it.
std::vector<Reading> plan(std::vector<Target>& targets, size_t room) {
  std::vector<Reading> readings;
  for (Target& target : targets) {
    if (!look(target)) {
      continue;
    }
    const auto most = static_cast<size_t>(std::max(target.asked.partition_max_bytes, 0));
    const size_t limit = std::min(room, most);
    if (limit == 0 && !readings.empty()) {
      continue;
    }
    auto tail = target.partition->read_tail(target.asked.fetch_offset, limit);
    const bool is_from_files = tail.empty();
    room -= std::min(room, is_from_files ? limit : bytes_of(tail));
    readings.push_back({&target, limit, std::move(tail), is_from_files});
  }
  return readings;
}

/// Whole batches, at least one if there is one and memory for it; they are added to `held`. Errors:
/// Partition::read's.
runtime::Task<void> read_files(MemoryBudget& reads, MemoryBudget::Reservation& held,
                               Reading& reading) {
  const size_t limit = std::min(reading.limit, reads.limit() / kReadsAtOnce);
  auto reserved = reads.try_reserve(limit);
  if (!reserved) {
    reading.is_short_of_memory = true;
    co_return;
  }
  const Target& target = *reading.target;
  const auto admits = [&](size_t first_batch) {
    reading.is_short_of_memory = !reserved.try_grow(first_batch);
    return !reading.is_short_of_memory;
  };
  reading.batches = co_await target.partition->read(target.asked.fetch_offset, {limit, admits});
  if (reading.batches.ok()) {
    reserved.resize(bytes_of(*reading.batches));
    held.add(std::move(reserved));
  }
}

runtime::Task<void> read_all_files(MemoryBudget& reads, MemoryBudget::Reservation& held,
                                   std::vector<Reading>& readings) {
  const auto count = std::ranges::count_if(readings, &Reading::is_from_files);
  runtime::Gate gate;
  for (Reading& reading : readings) {
    if (!reading.is_from_files) {
      continue;
    }
    auto work = read_files(reads, held, reading);
    if (count == 1) {
      co_await std::move(work);
    } else if (!gate.spawn(runtime::Shard::here(), "kafka fetch", std::move(work))) {
      break;
    }
  }
  co_await gate.close();
}

struct Round {
  size_t bytes = 0;
  bool has_error = false;
  bool is_short_of_memory = false;
};

/// Into the answer. The first batch of a response comes whole whatever its size (KIP-74).
void put(const Reading& reading, Round& round) {
  Answer& answer = *reading.target->answer;
  if (reading.is_short_of_memory) {
    round.is_short_of_memory = true;
    return;
  }
  if (!reading.batches.ok()) {
    const Code code = reading.batches.error().code;
    answer.error_code =
        code == Code::kNotFound ? ErrorCode::kOffsetOutOfRange : error_code_of(code);
    return;
  }
  RecordsParts& records = answer.records.emplace();
  size_t bytes = 0;
  for (const auto& batch : *reading.batches) {
    if (round.bytes > 0 && bytes + batch.payload.size() > reading.limit) {
      break;
    }
    bytes += batch.payload.size();
    round.bytes += batch.payload.size();
    append_batch(batch, records);
  }
}

/// Partitions whose batches lie in files are read beside one another.
runtime::Task<Round> read_all(MemoryBudget& reads, MemoryBudget::Reservation& held,
                              std::vector<Target>& targets, size_t max_bytes) {
  auto readings = plan(targets, max_bytes);
  co_await read_all_files(reads, held, readings);
  Round round;
  for (const Reading& reading : readings) {
    put(reading, round);
  }
  for (const Target& target : targets) {
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
