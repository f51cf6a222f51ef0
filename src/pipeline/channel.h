// A bounded queue between threads that knows when everything put into it has been worked off.
#pragma once

#include "base/mutex.h"
#include "base/result.h"

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

namespace millrace::pipeline {

/// Items wait here for a worker, at most `capacity` of them. Each item taken is finished by the
/// destruction of its Ticket, so wait_idle() and close() count exactly: an item is queued, in a
/// worker's hands, or done. Thread-safe. Outlives its tickets.
///
///   while (auto ticket = channel.take()) { work(ticket->item()); }
template <typename T>
class Channel {
 public:
  /// One item in a worker's hands; done when it is destroyed, however the work ended.
  class Ticket {
   public:
    Ticket(Ticket&& other) noexcept
        : channel_(std::exchange(other.channel_, nullptr)), item_(std::move(other.item_)) {}

    Ticket& operator=(Ticket&&) = delete;

    ~Ticket() {
      if (channel_ != nullptr) {
        channel_->finished();
      }
    }

    T& item() { return item_; }

   private:
    friend class Channel;

    Ticket(Channel& channel, T item) : channel_(&channel), item_(std::move(item)) {}

    Channel* channel_;
    T item_;
  };

  struct Counters {
    uint64_t accepted = 0;
    uint64_t finished = 0;
  };

  explicit Channel(size_t capacity) : capacity_(capacity) {}

  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Never waits. Errors: kOverloaded (full), kCancelled (closed); `item` is untouched then.
  Status try_put(T&& item) {
    MutexLock lock(mutex_);
    if (is_closed_) {
      return make_error(Code::kCancelled, "the channel is closed");
    }
    if (items_.size() >= capacity_) {
      return make_error(Code::kOverloaded, "the channel holds its {} items", capacity_);
    }
    accept(std::move(item));
    return {};
  }

  /// Waits for room. Errors: kCancelled (closed before there was any; `item` is untouched).
  Status put(T&& item) {
    MutexLock lock(mutex_);
    while (!is_closed_ && items_.size() >= capacity_) {
      has_room_.wait(mutex_);
    }
    if (is_closed_) {
      return make_error(Code::kCancelled, "the channel is closed");
    }
    accept(std::move(item));
    return {};
  }

  /// Waits for an item; nullopt once the channel is closed and empty.
  std::optional<Ticket> take() {
    MutexLock lock(mutex_);
    while (!is_closed_ && items_.empty()) {
      has_items_.wait(mutex_);
    }
    if (items_.empty()) {
      return std::nullopt;
    }
    std::optional<Ticket> ticket(Ticket(*this, std::move(items_.front())));
    items_.pop_front();
    has_room_.notify_one();
    return ticket;
  }

  /// No more items; those queued are still taken. Wakes all who wait. A second call does nothing.
  void close() {
    MutexLock lock(mutex_);
    is_closed_ = true;
    has_items_.notify_all();
    has_room_.notify_all();
  }

  /// Waits until every item accepted so far and meanwhile is finished. Not from a worker.
  void wait_idle() {
    MutexLock lock(mutex_);
    while (counters_.finished != counters_.accepted) {
      is_idle_.wait(mutex_);
    }
  }

  Counters counters() const {
    MutexLock lock(mutex_);
    return counters_;
  }

  size_t queued() const {
    MutexLock lock(mutex_);
    return items_.size();
  }

 private:
  void accept(T&& item) MILLRACE_REQUIRES(mutex_) {
    items_.push_back(std::move(item));
    ++counters_.accepted;
    has_items_.notify_one();
  }

  void finished() {
    MutexLock lock(mutex_);
    ++counters_.finished;
    if (counters_.finished == counters_.accepted) {
      is_idle_.notify_all();
    }
  }

  const size_t capacity_;
  mutable Mutex mutex_;
  Condition has_items_;
  Condition has_room_;
  Condition is_idle_;
  std::deque<T> items_ MILLRACE_GUARDED_BY(mutex_);
  Counters counters_ MILLRACE_GUARDED_BY(mutex_);
  bool is_closed_ MILLRACE_GUARDED_BY(mutex_) = false;
};

}  // namespace millrace::pipeline
