#include "tables/table.h"

#include "base/check.h"
#include "runtime/coroutine.h"

#include <algorithm>
#include <iterator>

namespace millrace::tables {
namespace {

using columnar::ColumnBatch;
using runtime::Deadline;

constexpr size_t kLeastRows = 128;    // of a chunk
constexpr size_t kMostRows = 65'536;  // a table grows towards these
/// Asked for ahead of rows: a long string among many rows must not stand for them all.
constexpr size_t kMostBytesAhead = size_t{4} << 20;

/// A chunk whose memory is counted for as long as anybody holds it.
struct CountedChunk {
  CountedChunk(SchemaPtr schema, size_t rows, const ColumnBatch& batch, Offset first,
               MemoryBudget& budget)
      : chunk(std::move(schema), rows, batch, first),
        reserved(budget.reserve_anyway(chunk.size_bytes())) {}

  HotChunk chunk;
  MemoryBudget::Reservation reserved;
};

}  // namespace

Table::Table(TableName name, TopicPartition partition, Offset next, MemoryBudget& budget,
             const Clock& clock)
    : name_(std::move(name)),
      partition_(partition),
      budget_(budget),
      clock_(clock),
      schema_(std::make_shared<SchemaVersion>()),
      applied_(next),
      flushed_(next) {}

SchemaPtr Table::schema() const {
  MutexLock lock(mutex_);
  return schema_;
}

void Table::adopt(SchemaPtr schema) {
  MutexLock lock(mutex_);
  schema_ = std::move(schema);
  is_open_ = false;
}

void Table::apply(Offset offset, ColumnBatch batch, MemoryBudget::Reservation reserved) {
  std::vector<runtime::Signal*> ready;
  {
    MutexLock lock(mutex_);
    if (offset == applied_ && early_.empty()) {
      append(offset, batch);
    } else {
      early_.emplace(offset, Early{std::move(batch), std::move(reserved)});
      while (!early_.empty() && early_.begin()->first == applied_) {
        append(applied_, early_.begin()->second.batch);
        early_.erase(early_.begin());
      }
    }
    ready = take_ready();
    moved_.notify_all();
  }
  runtime::Signal::set_all(ready);
}

void Table::append(Offset offset, const ColumnBatch& batch) {
  const auto converted = columnar::convert(batch, schema_->schema);
  MILLRACE_CHECK(converted.ok(), "a batch was admitted that does not fit its table");
  if (!is_open_ || !chunks_.back()->append(*converted, offset)) {
    if (chunks_.size() == flushing_.value_or(0)) {
      (flushing_ ? oldest_behind_ : oldest_) = clock_.steady();
    }
    chunks_.push_back(make_chunk(*converted, offset));
    is_open_ = true;
    MILLRACE_CHECK(chunks_.back()->append(*converted, offset), "a new chunk has no room");
  }
  applied_ = offset + 1;
}

Table::ChunkPtr Table::make_chunk(const ColumnBatch& batch, Offset first) {
  const size_t bytes_a_row = batch.size_bytes() / std::max<size_t>(batch.rows, 1) + 1;
  const size_t rows = std::min(std::clamp<size_t>(hot_locked().rows, kLeastRows, kMostRows),
                               kMostBytesAhead / bytes_a_row);
  auto counted = std::make_shared<CountedChunk>(schema_, rows, batch, first, budget_);
  HotChunk* chunk = &counted->chunk;
  return {std::move(counted), chunk};
}

std::vector<runtime::Signal*> Table::take_ready() {
  std::vector<runtime::Signal*> ready;
  std::erase_if(waiters_, [&, applied = applied_](const Waiter& waiter) {
    const bool is_ready = waiter.end <= applied;
    if (is_ready) {
      ready.push_back(waiter.signal);
    }
    return is_ready;
  });
  return ready;
}

runtime::Task<void> Table::until_applied(Offset end) {
  runtime::Signal signal;
  {
    MutexLock lock(mutex_);
    if (end <= applied_) {
      co_return;
    }
    waiters_.push_back({end, &signal});
  }
  co_await signal.wait(Deadline::never());
}

bool Table::wait_applied(Offset end, Deadline deadline) {
  MutexLock lock(mutex_);
  while (applied_ < end) {
    const auto left = deadline.remaining(clock_);
    if (left == Deadline::Duration::zero()) {
      return false;
    }
    moved_.wait_for(mutex_, std::min<Deadline::Duration>(left, std::chrono::seconds(1)));
  }
  return true;
}

Offset Table::applied() const {
  MutexLock lock(mutex_);
  return applied_;
}

HotSize Table::hot_locked() const {
  HotSize size{.oldest = oldest_};
  for (const ChunkPtr& chunk : chunks_) {
    size.rows += chunk->rows();
    size.bytes += chunk->size_bytes();
  }
  return size;
}

HotSize Table::hot() const {
  MutexLock lock(mutex_);
  return hot_locked();
}

Table::Whole Table::whole() const {
  MutexLock lock(mutex_);
  return {hot_locked(), files_};
}

Snapshot Table::snapshot() const {
  MutexLock lock(mutex_);
  Snapshot snapshot{.name = name_, .topic = partition_.topic, .schema = schema_};
  snapshot.folder = folder_;
  snapshot.files.reserve(files_.size());
  for (const TableFile& file : files_) {
    snapshot.files.push_back(file.path);
  }
  for (const ChunkPtr& chunk : chunks_) {
    if (const size_t rows = chunk->rows(); rows > 0) {
      snapshot.hot.push_back({chunk, rows});
    }
  }
  return snapshot;
}

std::optional<FlushUnit> Table::begin_flush() {
  MutexLock lock(mutex_);
  if (flushing_ || is_retired_ || flushed_ == applied_) {
    return std::nullopt;
  }
  flushing_ = chunks_.size();
  is_open_ = false;
  FlushUnit unit{.first = flushed_, .next = applied_, .schema = schema_};
  for (const ChunkPtr& chunk : chunks_) {
    unit.chunks.push_back(chunk);
    unit.rows += chunk->rows();
  }
  return unit;
}

void Table::end_flush(const FlushUnit& unit, std::vector<TableFile> files) {
  MutexLock lock(mutex_);
  files_.insert(files_.end(), std::make_move_iterator(files.begin()),
                std::make_move_iterator(files.end()));
  chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<int64_t>(unit.chunks.size()));
  is_open_ = is_open_ && !chunks_.empty();
  oldest_ = oldest_behind_;
  flushed_ = unit.next;
  flushing_.reset();
  moved_.notify_all();
}

void Table::abort_flush() {
  MutexLock lock(mutex_);
  flushing_.reset();
  moved_.notify_all();
}

Offset Table::flushed() const {
  MutexLock lock(mutex_);
  return flushed_;
}

std::vector<TableFile> Table::files() const {
  MutexLock lock(mutex_);
  return files_;
}

std::vector<TableFile> Table::unproven() const {
  MutexLock lock(mutex_);
  std::vector<TableFile> files;
  std::ranges::copy_if(files_, std::back_inserter(files),
                       [](const TableFile& file) { return !file.is_proven->load(); });
  return files;
}

void Table::set_files(std::vector<TableFile> files) {
  MutexLock lock(mutex_);
  files_ = std::move(files);
}

void Table::finish_replay() {
  {
    MutexLock lock(mutex_);
    is_replayed_ = true;
  }
  wake_replay_waiters();
}

void Table::fail_replay(Error damage) {
  {
    MutexLock lock(mutex_);
    has_replay_failed_ = true;
    damage_ = std::move(damage);
  }
  wake_replay_waiters();
}

void Table::wake_replay_waiters() {
  std::vector<std::shared_ptr<runtime::Signal>> waiting;
  {
    MutexLock lock(mutex_);
    waiting.swap(replay_waiters_);
  }
  for (const auto& signal : waiting) {
    signal->set();
  }
}

bool Table::is_replayed() const {
  MutexLock lock(mutex_);
  return is_replayed_;
}

runtime::Task<bool> Table::until_replayed(Deadline deadline) {
  auto signal = std::make_shared<runtime::Signal>();
  {
    MutexLock lock(mutex_);
    if (is_replayed_ || has_replay_failed_) {
      co_return is_replayed_;
    }
    replay_waiters_.push_back(signal);  // shared: the replay may end after the deadline
  }
  co_await signal->wait(deadline);
  co_return is_replayed();
}

Table::Folder::~Folder() {
  if (unused) {
    unused();
  }
}

void Table::retire(std::function<void()> unused) {
  std::shared_ptr<Folder> folder;  // let go of without the lock
  MutexLock lock(mutex_);
  is_retired_ = true;
  while (flushing_) {
    moved_.wait(mutex_);
  }
  chunks_.clear();
  files_.clear();
  is_open_ = false;
  flushed_ = applied_;
  folder.swap(folder_);
  if (folder) {
    folder->unused = std::move(unused);
  }
}

bool Table::is_retired() const {
  MutexLock lock(mutex_);
  return is_retired_;
}

void Table::set_damage(Error damage) {
  MutexLock lock(mutex_);
  if (!damage_) {
    damage_ = std::move(damage);
  }
}

std::optional<Error> Table::damage() const {
  MutexLock lock(mutex_);
  return damage_;
}

}  // namespace millrace::tables
