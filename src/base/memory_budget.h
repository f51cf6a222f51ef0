// A share of memory that is asked for before it is used; over budget the answer is "not now".
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <string>
#include <utility>

namespace millrace {

/// Counts bytes reserved against a limit. Thread-safe; outlives its reservations.
class MemoryBudget {
 public:
  /// Bytes held until destruction. Moves; empty after a move.
  class Reservation {
   public:
    Reservation() = default;

    Reservation(Reservation&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)),
          bytes_(std::exchange(other.bytes_, 0)),
          beside_(std::exchange(other.beside_, 0)) {}

    Reservation& operator=(Reservation&& other) noexcept {
      if (this != &other) {
        release();
        budget_ = std::exchange(other.budget_, nullptr);
        bytes_ = std::exchange(other.bytes_, 0);
        beside_ = std::exchange(other.beside_, 0);
      }
      return *this;
    }

    ~Reservation() { release(); }

    size_t bytes() const { return bytes_ + beside_; }

    explicit operator bool() const { return budget_ != nullptr; }

    /// To `bytes`, also beyond the limit: for what was guessed before and is known now. Not of an
    /// empty one.
    void resize(size_t bytes) {
      const size_t within = bytes - std::min(bytes, beside_);
      budget_->used_.fetch_add(within - bytes_, std::memory_order_relaxed);  // wraps when smaller
      bytes_ = within;
    }

    /// To `bytes`, if the limit allows it; else beside the limit, of all reservations one at a
    /// time. False: neither, and nothing is changed. Not of an empty one.
    bool try_grow(size_t bytes) {
      if (bytes <= bytes_) {
        return true;
      }
      if (auto more = budget_->try_reserve(bytes - bytes_)) {
        add(std::move(more));
        return true;
      }
      size_t nobody = 0;
      if (!budget_->beside_.compare_exchange_strong(nobody, bytes, std::memory_order_relaxed)) {
        return false;
      }
      budget_->used_.fetch_sub(std::exchange(bytes_, 0), std::memory_order_relaxed);
      beside_ = bytes;
      return true;
    }

    /// Takes over what `other` holds; both of the same budget, this one may be empty.
    void add(Reservation other) {
      if (budget_ == nullptr) {
        *this = std::move(other);
      } else if (other.budget_ != nullptr) {
        bytes_ += std::exchange(other.bytes_, 0);
        beside_ += std::exchange(other.beside_, 0);
        other.budget_ = nullptr;
      }
    }

    void release() {
      if (budget_ != nullptr) {
        budget_->used_.fetch_sub(std::exchange(bytes_, 0), std::memory_order_relaxed);
        if (std::exchange(beside_, 0) != 0) {
          budget_->beside_.store(0, std::memory_order_relaxed);
        }
        budget_ = nullptr;
      }
    }

   private:
    friend class MemoryBudget;

    Reservation(MemoryBudget* budget, size_t bytes) : budget_(budget), bytes_(bytes) {}

    MemoryBudget* budget_ = nullptr;
    size_t bytes_ = 0;
    size_t beside_ = 0;
  };

  MemoryBudget(std::string name, size_t limit) : name_(std::move(name)), limit_(limit) {}

  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  /// Empty (false) when `bytes` more would pass the limit.
  Reservation try_reserve(size_t bytes) {
    size_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ || used > limit_ - bytes) {
        return {};
      }
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return {this, bytes};
  }

  /// Takes `bytes` even beyond the limit: for what is already in memory and must be counted.
  Reservation reserve_anyway(size_t bytes) {
    used_.fetch_add(bytes, std::memory_order_relaxed);
    return {this, bytes};
  }

  /// With what is beside the limit.
  size_t used() const {
    return used_.load(std::memory_order_relaxed) + beside_.load(std::memory_order_relaxed);
  }

  size_t limit() const { return limit_; }

  const std::string& name() const { return name_; }

 private:
  const std::string name_;
  const size_t limit_;
  std::atomic<size_t> used_{0};
  std::atomic<size_t> beside_{0};  // what one reservation has beside the limit
};

}  // namespace millrace
