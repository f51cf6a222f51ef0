#include "io/buffered_appender.h"

#include "base/mutex.h"
#include "base/spin_lock.h"
#include "io/aligned_memory.h"
#include "io/write_queue.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <vector>

namespace millrace::io {
namespace {

constexpr size_t kMostSpun = size_t{16} << 10;  // a larger record is not copied under the spin lock
constexpr size_t kParts = 1024;                 // of a record before anything is allocated
constexpr size_t kLine = 64;                    // a cache line

constexpr uint64_t block_below(uint64_t position) {
  return position / kDirectBlock * kDirectBlock;
}

constexpr uint64_t block_above(uint64_t position) {
  return block_below(position + kDirectBlock - 1);
}

/// The bytes [position, position + used) of the file. Filled, then written, then free to be filled
/// with later ones.
struct Buffer {
  AlignedMemory bytes;
  uint64_t position = 0;
  size_t used = 0;
  size_t limit = 0;         // of used, so that the next buffer begins with a block
  bool is_written = false;  // under way: not to be touched
  uint64_t number = 0;      // of that write: 1 is the first
  size_t write_bytes = 0;   // of that write: used, or up to a whole block
};

// How it works. Records are copied into one buffer at a time, under a spin lock. When one does not
// fit, its thread takes the turn: it closes the fast way, hands the full buffer over, goes on in
// the next one, opens the way again, and only then writes what it handed over, while others fill.
// flush() does the same with a buffer that is not full. So a buffer that is being written is never
// filled at the same time, and writes need no order among each other but one: past the page cache,
// after a flush, a block is written twice, first with padding, then with what came after.
class BufferedAppender final : public Appender {
 public:
  BufferedAppender(std::unique_ptr<File> file, uint64_t position, const AppenderOptions& options)
      : file_(std::move(file)),
        size_(options.buffer_bytes),
        is_direct_(options.method != AppendMethod::kPageCache),
        writeback_bytes_(is_direct_ ? 0 : options.writeback_bytes),
        buffers_(options.buffers),
        tail_(position),
        handed_end_(position),
        writeback_from_(position),
        synced_(position) {
    gathered_.reserve(kParts);
  }

  ~BufferedAppender() override = default;
  BufferedAppender(const BufferedAppender&) = delete;
  BufferedAppender& operator=(const BufferedAppender&) = delete;

  Status open(AppendMethod method) {
    for (Buffer& buffer : buffers_) {
      buffer.bytes = aligned_memory(size_);
      if (!buffer.bytes) {
        return make_error(Code::kOverloaded, "no memory for {} buffers of {} bytes",
                          buffers_.size(), size_);
      }
    }
    MILLRACE_TRY(opened_size_, file_->size());
    const uint64_t position = tail_;
    begin(buffers_[0], position);
    if (is_direct_ && position % kDirectBlock != 0) {
      MILLRACE_TRY([[maybe_unused]] const size_t read,
                   file_->read_at(buffers_[0].position,
                                  MutableBytes(buffers_[0].bytes.get(), kDirectBlock)));
    }
    if (method == AppendMethod::kUring) {
      MILLRACE_TRY(queue_, file_->make_queue(static_cast<unsigned>(buffers_.size())));
    }
    MutexLock turn(turn_);
    open_way();
    return {};
  }

  Result<uint64_t> append(std::span<const ConstBytes> parts) override {
    size_t size = 0;
    for (const ConstBytes part : parts) {
      size += part.size();
    }
    if (size <= kMostSpun) {
      const SpinGuard guard(spin_);
      Buffer& buffer = buffers_[filled_];
      if (is_open_ && size <= buffer.limit - buffer.used) {
        const uint64_t place = buffer.position + buffer.used;
        for (const ConstBytes part : parts) {
          copy(part, buffer);
        }
        tail_.store(place + size, std::memory_order_release);
        return place;
      }
    }
    return append_in_turn(parts, size);
  }

  Status flush() override {
    const uint64_t end = position();
    std::optional<size_t> handed;
    {
      MutexLock turn(turn_);
      close_way();
      if (handed_end_ < end) {
        if (auto over = hand_over(); over.ok()) {
          handed = *over;
        }
      }
      open_way();
    }
    if (handed) {
      write(buffers_[*handed]);
    }
    {
      MutexLock lock(state_mutex_);
      while (!is_broken_ && is_any_written_below(end)) {
        wait_for_change();
      }
    }
    return state();
  }

  Status sync() override {
    const uint64_t target = position();
    while (!is_broken() && synced_.load(std::memory_order_acquire) < target) {
      const uint32_t round = sync_rounds_.load(std::memory_order_acquire);
      if (is_syncing_.exchange(true, std::memory_order_acq_rel)) {
        sync_rounds_.wait(round, std::memory_order_acquire);
        continue;
      }
      sync_all();
      is_syncing_.store(false, std::memory_order_release);
      sync_rounds_.fetch_add(1, std::memory_order_acq_rel);
      sync_rounds_.notify_all();
    }
    return state();
  }

  Status reserve(uint64_t size) override {
    MutexLock turn(turn_);
    MILLRACE_TRY_STATUS(state());
    MILLRACE_TRY_STATUS(file_->reserve(size));
    file_end_ = std::max(file_end_, size);
    return {};
  }

  Status close() override {
    MILLRACE_TRY_STATUS(flush());
    MutexLock turn(turn_);
    if (const uint64_t size = std::max<uint64_t>(tail_, opened_size_); file_end_ > size) {
      MILLRACE_TRY_STATUS(file_->resize(size));
    }
    fail(make_error(Code::kInvalid, "{} is closed", file_->path()));
    queue_.reset();
    file_.reset();
    return {};
  }

  uint64_t position() const override { return tail_.load(std::memory_order_acquire); }

  uint64_t synced_position() const override { return synced_.load(std::memory_order_acquire); }

  size_t buffer_memory() const override { return size_ * buffers_.size(); }

 private:
  /// The error that broke it off, if one did.
  Status state() {
    if (!is_broken()) {
      return {};
    }
    MutexLock lock(state_mutex_);
    return error_;
  }

  bool is_broken() const { return has_failed_.load(std::memory_order_acquire); }

  /// Nobody fills the buffer until open_way().
  void close_way() MILLRACE_REQUIRES(turn_) {
    const SpinGuard guard(spin_);
    is_open_ = false;
  }

  void open_way() MILLRACE_REQUIRES(turn_) {
    const SpinGuard guard(spin_);
    is_open_ = !is_broken();
  }

  static void copy(ConstBytes bytes, Buffer& buffer) {
    if (!bytes.empty()) {
      std::memcpy(buffer.bytes.get() + buffer.used, bytes.data(), bytes.size());
      buffer.used += bytes.size();
    }
  }

  /// `buffer` is the one to be filled from `position` on.
  void begin(Buffer& buffer, uint64_t position) {
    buffer.position = is_direct_ ? block_below(position) : position;
    buffer.used = position - buffer.position;
    buffer.limit = size_ - buffer.position % kDirectBlock;
  }

  Result<uint64_t> append_in_turn(std::span<const ConstBytes> parts, size_t size) {
    std::optional<size_t> handed;  // a buffer not written yet
    Result<uint64_t> place = uint64_t{0};
    {
      MutexLock turn(turn_);
      close_way();
      place = is_direct_ || size < size_ ? split(parts, handed) : write_through(parts, size);
      open_way();
    }
    if (handed) {
      write(buffers_[*handed]);
    }
    MILLRACE_TRY_STATUS(state());
    return place;
  }

  /// Into as many buffers as it takes; all but the last one handed over are written.
  Result<uint64_t> split(std::span<const ConstBytes> parts, std::optional<size_t>& handed)
      MILLRACE_REQUIRES(turn_) {
    const uint64_t place = tail_;
    uint64_t at = place;
    for (ConstBytes rest : parts) {
      while (!rest.empty()) {
        if (buffers_[filled_].used == buffers_[filled_].limit) {
          if (handed) {
            write(buffers_[*handed]);
            handed.reset();
          }
          MILLRACE_TRY(handed, hand_over());
        }
        Buffer& buffer = buffers_[filled_];
        const size_t count = std::min(rest.size(), buffer.limit - buffer.used);
        copy(rest.first(count), buffer);
        at += count;
        rest = rest.subspan(count);
      }
    }
    tail_.store(at, std::memory_order_release);
    return place;
  }

  /// What is in the buffer and the record, in one write, without a copy.
  Result<uint64_t> write_through(std::span<const ConstBytes> parts, size_t size)
      MILLRACE_REQUIRES(turn_) {
    if (is_broken()) {
      return uint64_t{0};
    }
    const uint64_t place = tail_;
    Buffer& buffer = buffers_[filled_];
    gathered_.clear();
    gathered_.emplace_back(buffer.bytes.get(), buffer.used);
    gathered_.insert(gathered_.end(), parts.begin(), parts.end());
    if (const Status written = file_->write_at(buffer.position, gathered_); !written.ok()) {
      fail(written.error());
      return written.error();
    }
    begin_writeback(place + size);
    begin(buffer, place + size);
    handed_end_ = place + size;
    tail_.store(place + size, std::memory_order_release);
    return place;
  }

  /// Marks the buffer as under way, for the caller to write(), and begins the next one, once it is
  /// free. Errors: that which broke the appender.
  Result<size_t> hand_over() MILLRACE_REQUIRES(turn_) {
    const size_t handed = filled_;
    const size_t next = (filled_ + 1) % buffers_.size();
    Buffer& full = buffers_[handed];
    MutexLock lock(state_mutex_);
    while (!is_broken_ && buffers_[next].is_written) {
      wait_for_change();
    }
    if (is_broken_) {
      return error_;
    }
    const uint64_t end = full.position + full.used;
    full.is_written = true;
    full.number = ++writes_;
    full.write_bytes = full.used;
    handed_end_ = end;
    begin(buffers_[next], end);
    if (is_direct_) {
      full.write_bytes = block_above(full.used);
      std::memset(full.bytes.get() + full.used, 0, full.write_bytes - full.used);
      std::memcpy(buffers_[next].bytes.get(), full.bytes.get() + block_below(full.used),
                  buffers_[next].used);
    }
    file_end_ = std::max(file_end_, full.position + full.write_bytes);
    const SpinGuard guard(spin_);
    filled_ = next;
    return handed;
  }

  /// Writes a buffer that was handed over, or has it written.
  void write(Buffer& buffer) {
    if (is_broken()) {
      return;
    }
    if (is_direct_) {
      MutexLock lock(state_mutex_);
      while (!is_broken_ && shares_block(buffer)) {
        wait_for_change();
      }
    }
    const ConstBytes bytes(buffer.bytes.get(), buffer.write_bytes);
    if (!queue_) {
      const Status written = file_->write_at(buffer.position, bytes);
      if (written.ok()) {
        begin_writeback(buffer.position + bytes.size());
      }
      ended(buffer, written);
      return;
    }
    MutexLock lock(state_mutex_);
    if (is_broken_) {
      return;  // an entry that was not submitted may still be in the queue, and would go with this
    }
    const auto id = static_cast<uint64_t>(&buffer - buffers_.data());
    if (const auto begun = queue_->submit(buffer.position, bytes, id); begun.ok()) {
      ++under_way_;
      state_changed_.notify_all();  // one of those who wait has to wait for the queue
    } else {
      break_off(begun.error());
    }
  }

  /// What was written up to `end`, if it is much.
  void begin_writeback(uint64_t end) {
    uint64_t from = writeback_from_.load(std::memory_order_relaxed);
    const bool is_due = writeback_bytes_ > 0 && end >= from + writeback_bytes_ &&
                        writeback_from_.compare_exchange_strong(from, end);
    if (is_due) {
      file_->begin_writeback(from, end - from);
    }
  }

  /// An earlier buffer, padded, has the block with which this one begins.
  bool shares_block(const Buffer& buffer) const MILLRACE_REQUIRES(state_mutex_) {
    return std::ranges::any_of(buffers_, [&](const Buffer& other) {
      return other.is_written && other.number < buffer.number &&
             other.position + other.write_bytes > buffer.position;
    });
  }

  bool is_any_written_below(uint64_t end) const MILLRACE_REQUIRES(state_mutex_) {
    return std::ranges::any_of(
        buffers_, [&](const Buffer& buffer) { return buffer.is_written && buffer.position < end; });
  }

  void ended(Buffer& buffer, const Status& written) {
    MutexLock lock(state_mutex_);
    if (!written.ok()) {
      break_off(written.error());
      return;
    }
    buffer.is_written = false;
    state_changed_.notify_all();
  }

  /// Until some buffer's write has ended, or all is over. With a queue, one of those who wait does
  /// so at the queue.
  void wait_for_change() MILLRACE_REQUIRES(state_mutex_) {
    if (under_way_ == 0 || is_waiting_at_queue_) {
      state_changed_.wait(state_mutex_);
      return;
    }
    is_waiting_at_queue_ = true;
    state_mutex_.unlock();
    const WriteQueue::Done done = queue_->wait();
    Buffer& buffer = buffers_[done.id];
    Status written;
    if (!done.written.ok()) {
      written = done.written.error();
    } else if (*done.written < buffer.write_bytes) {
      const ConstBytes bytes(buffer.bytes.get(), buffer.write_bytes);
      written = file_->write_at(buffer.position + *done.written, bytes.subspan(*done.written));
    }
    state_mutex_.lock();
    is_waiting_at_queue_ = false;
    --under_way_;
    if (written.ok()) {
      buffer.is_written = false;
    } else {
      break_off(written.error());
    }
    state_changed_.notify_all();
  }

  void fail(const Error& error) {
    MutexLock lock(state_mutex_);
    break_off(error);
  }

  /// The first error stays.
  void break_off(const Error& error) MILLRACE_REQUIRES(state_mutex_) {
    if (!is_broken_) {
      error_ = error;
      is_broken_ = true;
      has_failed_.store(true, std::memory_order_release);
    }
    state_changed_.notify_all();
    const SpinGuard guard(spin_);
    is_open_ = false;
  }

  void sync_all() {
    const uint64_t end = position();
    if (!flush().ok()) {
      return;
    }
    if (const Status synced = file_->sync(); !synced.ok()) {
      fail(synced.error());
      return;
    }
    synced_.store(end, std::memory_order_release);
    uint64_t from = writeback_from_.load(std::memory_order_relaxed);
    while (from < end && !writeback_from_.compare_exchange_weak(from, end)) {
    }
  }

  std::unique_ptr<File> file_;
  const size_t size_;
  const bool is_direct_;
  const size_t writeback_bytes_;
  std::vector<Buffer> buffers_;
  uint64_t opened_size_ = 0;
  std::unique_ptr<WriteQueue> queue_;  // gone before the buffers: it waits for what is under way

  alignas(kLine) SpinLock spin_;
  bool is_open_ MILLRACE_GUARDED_BY(spin_) = false;
  size_t filled_ = 0;  // its bytes: under spin_ while is_open_, else of who has the turn
  std::atomic<uint64_t> tail_;

  alignas(kLine) Mutex turn_;
  std::vector<ConstBytes> gathered_ MILLRACE_GUARDED_BY(turn_);
  uint64_t handed_end_ MILLRACE_GUARDED_BY(turn_);    // all below it is written or under way
  uint64_t writes_ MILLRACE_GUARDED_BY(turn_) = 0;    // buffers handed over
  uint64_t file_end_ MILLRACE_GUARDED_BY(turn_) = 0;  // of what was reserved or written

  Mutex state_mutex_;
  Condition state_changed_;
  Error error_ MILLRACE_GUARDED_BY(state_mutex_);
  bool is_broken_ MILLRACE_GUARDED_BY(state_mutex_) = false;
  bool is_waiting_at_queue_ MILLRACE_GUARDED_BY(state_mutex_) = false;
  size_t under_way_ MILLRACE_GUARDED_BY(state_mutex_) = 0;  // in the queue
  std::atomic<bool> has_failed_{false};                     // is_broken_, without the lock
  std::atomic<uint64_t> writeback_from_;                    // all below it is being written out

  alignas(kLine) std::atomic<uint64_t> synced_;
  std::atomic<bool> is_syncing_{false};
  std::atomic<uint32_t> sync_rounds_{0};
};

}  // namespace

Result<std::unique_ptr<Appender>> make_buffered_appender(std::unique_ptr<File> file,
                                                         uint64_t position,
                                                         const AppenderOptions& options) {
  auto appender = std::make_unique<BufferedAppender>(std::move(file), position, options);
  MILLRACE_TRY_STATUS(appender->open(options.method));
  return std::unique_ptr<Appender>(std::move(appender));
}

}  // namespace millrace::io
