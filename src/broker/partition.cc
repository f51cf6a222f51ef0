#include "broker/partition.h"

#include "broker/object_uploader.h"
#include "record/record_reader.h"
#include "runtime/coroutine.h"

#include <algorithm>

namespace millrace::broker {
namespace {

constexpr size_t kMaxBatchContent = size_t{256}
                                    << 20;  // a batch decompressed to look for a timestamp

/// The first record of a batch from an offset on, at or after a time.
Result<std::optional<TimestampOffset>> find_in(const record::StoredBatch& stored, Offset from,
                                               int64_t timestamp_ms) {
  MILLRACE_TRY(const auto header, record::parse_header(stored.payload));
  if (header.is_filler()) {
    return std::optional<TimestampOffset>();
  }
  MILLRACE_TRY(const auto batch, record::parse_batch(stored.payload));
  const Offset sent_base = batch.header.base_offset;
  MILLRACE_TRY(auto reader, record::RecordReader::open(batch, kMaxBatchContent));
  record::Record record;
  while (reader.next(record)) {
    const int64_t time = record.timestamp.time_since_epoch().count();
    const Offset offset = stored.base_offset + (record.offset - sent_base);
    if (time >= timestamp_ms && offset >= from) {
      return std::optional(TimestampOffset{offset, time});
    }
  }
  MILLRACE_TRY_STATUS(reader.status());
  return std::optional<TimestampOffset>();
}

/// Moves `at` up to `offset`; false: it was there already.
bool raise(std::atomic<int64_t>& at, Offset offset) {
  int64_t before = at.load();
  while (before < offset.value && !at.compare_exchange_weak(before, offset.value)) {
  }
  return before < offset.value;
}

}  // namespace

runtime::Task<Result<record::CommitOutcome>> Partition::append(record::CommitLog& log,
                                                               std::vector<PartitionAppend> batches,
                                                               AppendExtras extras) {
  record::CommitRequest request;
  request.batches.reserve(batches.size());
  for (const PartitionAppend& batch : batches) {
    request.batches.push_back({batch.partition->id_, batch.payload, batch.payload_crc,
                               batch.records, batch.max_timestamp_ms});
  }
  const bool is_interval =
      extras.system.empty() && std::ranges::all_of(batches, [](const PartitionAppend& batch) {
        return batch.partition->durability_ == Durability::kInterval;
      });
  request.durability = is_interval ? record::Durability::kInterval : record::Durability::kFsync;
  request.system = std::move(extras.system);
  request.batch_id = extras.batch_id;
  auto outcome = co_await log.commit(std::move(request));
  if (!outcome.ok() || outcome->is_duplicate) {
    co_return outcome;
  }
  std::vector<ObjectUploader::Written> for_objects;
  for (size_t i = 0; i < batches.size(); ++i) {
    PartitionAppend& batch = batches[i];
    const Offset base = outcome->base_offsets[i];
    if (batch.partition->durability_ == Durability::kObject) {
      for_objects.push_back({batch.partition, base + batch.records, batch.payload.size()});
    }
    batch.partition->committed(
        {base, batch.records, batch.max_timestamp_ms, std::move(batch.payload)});
  }
  if (!for_objects.empty()) {
    ObjectUploader& uploader = *for_objects.front().partition->sources_.uploader;
    MILLRACE_CO_TRY_STATUS(co_await uploader.await(std::move(for_objects)));
  }
  co_return outcome;
}

void Partition::committed(record::StoredBatch batch) {
  sources_.cache.put(id_, std::move(batch));
  if (durability_ != Durability::kObject) {
    wake_waiters();
  }
}

void Partition::advance(Offset end) {
  if (raise(in_objects_, end)) {
    wake_waiters();
  }
}

void Partition::delete_below(Offset start) {
  raise(deleted_below_, start);
}

Offset Partition::end_for_readers(Offset log_end) const {
  return durability_ == Durability::kObject ? std::min(log_end, Offset{in_objects_.load()})
                                            : log_end;
}

/// Offsets behind it stand for nothing yet: they were not acknowledged.
void Partition::hide_behind_end(std::vector<record::StoredBatch>& batches) const {
  if (durability_ == Durability::kObject) {
    const Offset end{in_objects_.load()};
    std::erase_if(batches,
                  [&](const record::StoredBatch& batch) { return batch.base_offset >= end; });
  }
}

void Partition::end() {
  has_ended_ = true;
  wake_waiters();
}

void Partition::wake_waiters() {
  std::vector<std::shared_ptr<ReadWaiter>> woken;
  {
    MutexLock lock(mutex_);
    woken.swap(waiters_);
  }
  for (const auto& waiter : woken) {
    waiter->more.set();
  }
}

record::PartitionRange Partition::range() const {
  record::PartitionRange range = sources_.log.range(id_);
  const auto history = sources_.history != nullptr ? sources_.history->range(id_) : std::nullopt;
  if (history) {
    range.start = std::min(range.start, history->start);
  }
  range.start = std::max(range.start, deleted_below());
  range.end = std::max(end_for_readers(range.end), range.start);
  return range;
}

Offset Partition::assigned_end() const {
  return std::max(sources_.log.range(id_).end, range().end);
}

bool Partition::is_in_history(Offset offset) const {
  const auto history = sources_.history != nullptr ? sources_.history->range(id_) : std::nullopt;
  return history && history->start <= offset && offset < history->end;
}

std::vector<record::StoredBatch> Partition::read_tail(Offset from, size_t max_bytes) const {
  if (from < deleted_below()) {
    return {};
  }
  auto batches = sources_.cache.read(id_, from, max_bytes);
  hide_behind_end(batches);
  return batches;
}

runtime::Task<Result<std::vector<record::StoredBatch>>> Partition::read(Offset from,
                                                                        record::ReadLimit limit) {
  const record::PartitionRange range = this->range();
  if (from < range.start) {
    co_return make_error(Code::kNotFound, "offset {} of partition {} is before its start, {}", from,
                         id_.partition, range.start);
  }
  if (from == range.end) {
    co_return std::vector<record::StoredBatch>();
  }
  auto batches = co_await read_any(from, limit);
  if (batches.ok()) {
    hide_behind_end(*batches);
  }
  co_return batches;
}

runtime::Task<Result<std::vector<record::StoredBatch>>> Partition::read_any(
    Offset from, const record::ReadLimit& limit) {
  auto cached = sources_.cache.read(id_, from, limit.bytes);
  if (!cached.empty()) {
    co_return cached;
  }
  const record::PartitionRange kept = sources_.log.range(id_);
  if (from >= kept.start || !is_in_history(from)) {
    auto batches = co_await sources_.log.read(id_, from, limit);
    const bool is_freed = !batches.ok() && batches.error().code == Code::kNotFound;
    if (!is_freed || !is_in_history(from)) {
      co_return batches;
    }
  }
  const auto work = [this, from, &limit] { return sources_.history->read(id_, from, limit); };
  co_return co_await sources_.cold->run(work);
}

/// The oldest batch that ends behind `from` and whose greatest timestamp is at least that.
runtime::Task<Result<std::optional<record::StoredBatch>>> Partition::find_batch(
    Offset from, int64_t timestamp_ms) {
  const Offset kept = sources_.log.range(id_).start;
  if (kept > from && is_in_history(kept + -1)) {
    const auto work = [this, from, timestamp_ms] {
      return sources_.history->find_timestamp(id_, from, timestamp_ms);
    };
    MILLRACE_CO_TRY(auto found, co_await sources_.cold->run(work));
    if (found) {
      co_return found;
    }
  }
  co_return co_await sources_.log.find_timestamp(id_, from, timestamp_ms);
}

runtime::Task<Result<std::optional<TimestampOffset>>> Partition::find_timestamp(
    int64_t timestamp_ms) {
  const Offset from = range().start;
  MILLRACE_CO_TRY(auto stored, co_await find_batch(from, timestamp_ms));
  while (stored) {
    if (stored->base_offset >= range().end) {
      break;
    }
    MILLRACE_CO_TRY(const auto found, find_in(*stored, from, timestamp_ms));
    if (found) {
      co_return found;
    }
    // The batch's header promised a later time than its records have: go on behind it.
    const Offset behind = std::max(stored->base_offset + stored->records, range().start);
    stored.reset();
    MILLRACE_CO_TRY(auto following, co_await read(behind, 1));
    if (!following.empty()) {
      stored = std::move(following.front());
    }
  }
  co_return std::optional<TimestampOffset>();
}

void Partition::add_waiter(std::shared_ptr<ReadWaiter> waiter) {
  MutexLock lock(mutex_);
  waiters_.push_back(std::move(waiter));
}

void Partition::remove_waiter(const std::shared_ptr<ReadWaiter>& waiter) {
  MutexLock lock(mutex_);
  std::erase(waiters_, waiter);
}

}  // namespace millrace::broker
