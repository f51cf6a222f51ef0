// Memory that requests travel in: written once, then shared by slices until the last one dies.
#pragma once

#include "base/memory_budget.h"
#include "base/result.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace millrace::bytes {

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// The same memory as text; valid as long as `bytes` is.
inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// An immutable slice that keeps its memory alive. Cheap to copy (one reference count).
/// Threads: different copies may be used and destroyed on different threads.
class Buffer {
 public:
  Buffer() = default;

  /// A copy in memory of its own.
  static Buffer copy_of(std::span<const std::byte> bytes);

  /// `bytes` must stay valid and unchanged as long as `owner` lives.
  static Buffer adopt(std::shared_ptr<const void> owner, std::span<const std::byte> bytes) {
    return {std::move(owner), bytes};
  }

  const std::byte* data() const { return bytes_.data(); }

  size_t size() const { return bytes_.size(); }

  bool empty() const { return bytes_.empty(); }

  std::span<const std::byte> span() const { return bytes_; }

  operator std::span<const std::byte>() const {  // NOLINT(google-explicit-constructor): a view
    return bytes_;
  }

  /// Shares the memory. `offset + size` must not pass size(): checked, ends the process.
  Buffer slice(size_t offset, size_t size) const;
  /// A slice over `part`, which must lie within this buffer: checked, ends the process.
  Buffer slice(std::span<const std::byte> part) const;

 private:
  Buffer(std::shared_ptr<const void> owner, std::span<const std::byte> bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}

  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
};

/// Writable memory with one owner; becomes a Buffer without a copy. Contents start undefined.
class MutableBuffer {
 public:
  MutableBuffer() = default;

  MutableBuffer(MutableBuffer&& other) noexcept
      : owner_(std::move(other.owner_)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}

  MutableBuffer& operator=(MutableBuffer&& other) noexcept {
    owner_ = std::move(other.owner_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  /// From the heap, outside any pool and budget.
  static MutableBuffer of_size(size_t size);

  std::byte* data() { return data_; }

  /// Bytes asked for; at most capacity().
  size_t size() const { return size_; }

  size_t capacity() const { return capacity_; }

  std::span<std::byte> span() { return {data_, size_}; }

  /// `size` must not pass capacity(): checked, ends the process. Contents stay.
  void resize(size_t size);
  /// The first `size` bytes (at most capacity(), checked), shared from now on. Empties this one.
  Buffer freeze(size_t size) &&;

 private:
  friend class BufferPool;

  MutableBuffer(std::shared_ptr<void> owner, std::byte* data, size_t size, size_t capacity)
      : owner_(std::move(owner)), data_(data), size_(size), capacity_(capacity) {}

  std::shared_ptr<void> owner_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

/// Page-aligned slabs in powers of two from 4 KiB to 4 MiB, reused; larger ones are allocated to
/// the byte and never kept. Thread-safe, and slabs may come back on any thread, also after the pool
/// itself is gone.
class BufferPool {
 public:
  static constexpr size_t kSmallestSlab = size_t{4} << 10;
  static constexpr size_t kLargestSlab = size_t{4} << 20;
  static constexpr size_t kAlignment = 4096;

  /// `budget` counts the bytes of living buffers (their capacity), must outlive the last of them.
  /// `max_idle_bytes`: slabs kept for reuse; they are not counted in the budget.
  BufferPool(MemoryBudget& budget, size_t max_idle_bytes);

  /// A buffer of `size` bytes, its capacity rounded up to the slab. The reservation ends when the
  /// last slice dies. Errors: kOverloaded (budget spent; nothing held).
  Result<MutableBuffer> allocate(size_t size);

  size_t idle_bytes() const;

 private:
  struct State;
  struct Lease;
  std::shared_ptr<State> state_;
};

}  // namespace millrace::bytes
