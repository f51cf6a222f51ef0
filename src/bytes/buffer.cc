#include "bytes/buffer.h"

#include "base/check.h"
#include "base/mutex.h"

#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

namespace millrace::bytes {
namespace {

constexpr size_t kClasses =
    std::bit_width(BufferPool::kLargestSlab) - std::bit_width(BufferPool::kSmallestSlab) + 1;

/// Slabs from here on are mappings of their own: the heap, where they come and go beside small
/// things, keeps the holes. AddressSanitizer looks after the heap alone.
#if __has_feature(address_sanitizer)
constexpr size_t kLeastMapped = SIZE_MAX;
#else
constexpr size_t kLeastMapped = size_t{256} << 10;
#endif

struct SlabDelete {
  void operator()(std::byte* memory) const {
    if (capacity >= kLeastMapped) {
      ::munmap(memory, capacity);
    } else {
      ::operator delete(memory, std::align_val_t{BufferPool::kAlignment});
    }
  }

  size_t capacity = 0;
};

using Slab = std::unique_ptr<std::byte, SlabDelete>;

Slab make_slab(size_t capacity) {
  void* memory = nullptr;
  if (capacity < kLeastMapped) {
    memory = ::operator new(capacity, std::align_val_t{BufferPool::kAlignment});
  } else if (memory = ::mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                             -1, 0);
             memory == MAP_FAILED) {
    throw std::bad_alloc();
  }
  return {static_cast<std::byte*>(memory), SlabDelete{capacity}};
}

}  // namespace

Buffer Buffer::copy_of(std::span<const std::byte> bytes) {
  MutableBuffer copy = MutableBuffer::of_size(bytes.size());
  if (!bytes.empty()) {
    std::memcpy(copy.data(), bytes.data(), bytes.size());
  }
  return std::move(copy).freeze(bytes.size());
}

Buffer Buffer::slice(size_t offset, size_t size) const {
  MILLRACE_CHECK(offset <= bytes_.size() && size <= bytes_.size() - offset, "slice outside buffer");
  return {owner_, bytes_.subspan(offset, size)};
}

Buffer Buffer::slice(std::span<const std::byte> part) const {
  const auto start = reinterpret_cast<uintptr_t>(bytes_.data());
  const auto from = reinterpret_cast<uintptr_t>(part.data());
  MILLRACE_CHECK(from >= start && from - start <= bytes_.size() &&
                     part.size() <= bytes_.size() - (from - start),
                 "part outside buffer");
  return {owner_, part};
}

MutableBuffer MutableBuffer::of_size(size_t size) {
  std::shared_ptr<std::byte[]> memory = std::make_shared_for_overwrite<std::byte[]>(size);
  std::byte* data = memory.get();
  return {std::move(memory), data, size, size};
}

void MutableBuffer::resize(size_t size) {
  MILLRACE_CHECK(size <= capacity_, "resize beyond capacity");
  size_ = size;
}

Buffer MutableBuffer::freeze(size_t size) && {
  MILLRACE_CHECK(size <= capacity_, "freeze beyond capacity");
  Buffer frozen = Buffer::adopt(std::move(owner_), {data_, size});
  *this = MutableBuffer();
  return frozen;
}

struct BufferPool::State {
  State(MemoryBudget& memory_budget, size_t max_idle)
      : budget(memory_budget), max_idle_bytes(max_idle) {}

  static size_t class_of(size_t size) {
    return size <= kSmallestSlab
               ? 0
               : static_cast<size_t>(std::bit_width(size - 1) - std::bit_width(kSmallestSlab) + 1);
  }

  Slab take(size_t size_class) {
    const size_t capacity = kSmallestSlab << size_class;
    {
      const MutexLock lock(mutex);
      auto& idle = idle_slabs[size_class];
      if (!idle.empty()) {
        Slab slab = std::move(idle.back());
        idle.pop_back();
        idle_bytes -= capacity;
        return slab;
      }
    }
    return make_slab(capacity);
  }

  /// Keeps the slab, or leaves it to the caller's destructor when enough are idle.
  void give_back(Slab& slab, size_t capacity) {
    if (capacity > kLargestSlab) {
      return;
    }
    const MutexLock lock(mutex);
    if (capacity <= max_idle_bytes && idle_bytes <= max_idle_bytes - capacity) {
      idle_slabs[class_of(capacity)].push_back(std::move(slab));
      idle_bytes += capacity;
    }
  }

  MemoryBudget& budget;
  const size_t max_idle_bytes;
  Mutex mutex;
  std::array<std::vector<Slab>, kClasses> idle_slabs MILLRACE_GUARDED_BY(mutex);
  size_t idle_bytes MILLRACE_GUARDED_BY(mutex) = 0;
};

/// What the slices of one buffer share.
struct BufferPool::Lease {
  Lease(std::shared_ptr<State> pool, MemoryBudget::Reservation reserved, Slab memory, size_t bytes)
      : state(std::move(pool)),
        reservation(std::move(reserved)),
        slab(std::move(memory)),
        capacity(bytes) {}

  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  ~Lease() { state->give_back(slab, capacity); }

  std::shared_ptr<State> state;
  MemoryBudget::Reservation reservation;
  Slab slab;
  size_t capacity;
};

BufferPool::BufferPool(MemoryBudget& budget, size_t max_idle_bytes)
    : state_(std::make_shared<State>(budget, max_idle_bytes)) {}

Result<MutableBuffer> BufferPool::allocate(size_t size) {
  const bool pooled = size <= kLargestSlab;
  const size_t capacity = pooled ? kSmallestSlab << State::class_of(size) : size;
  MemoryBudget::Reservation reservation = state_->budget.try_reserve(capacity);
  if (!reservation) {
    return make_error(Code::kOverloaded, "{}: {} bytes asked for, {} of {} in use",
                      state_->budget.name(), capacity, state_->budget.used(),
                      state_->budget.limit());
  }
  Slab slab = pooled ? state_->take(State::class_of(size)) : make_slab(capacity);
  std::byte* data = slab.get();
  return MutableBuffer(
      std::make_shared<Lease>(state_, std::move(reservation), std::move(slab), capacity), data,
      size, capacity);
}

size_t BufferPool::idle_bytes() const {
  const MutexLock lock(state_->mutex);
  return state_->idle_bytes;
}

}  // namespace millrace::bytes
