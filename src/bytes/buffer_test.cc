#include "bytes/buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace millrace::bytes {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

TEST(Buffer, SlicesShareAndKeepTheMemory) {
  Buffer slice;
  {
    const Buffer whole = Buffer::copy_of(as_bytes("0123456789"));
    slice = whole.slice(2, 5);
    EXPECT_EQ(slice.data(), whole.data() + 2);
    EXPECT_EQ(as_text(whole.slice(whole.span().subspan(8))), "89");
    EXPECT_TRUE(whole.slice(10, 0).empty());
  }
  EXPECT_EQ(as_text(slice), "23456");
  EXPECT_EQ(as_text(slice.slice(4, 1)), "6");
}

TEST(Buffer, AdoptsForeignMemory) {
  auto text = std::make_shared<const std::string>("adopted");
  const std::weak_ptr<const std::string> watch = text;
  const auto bytes = as_bytes(*text);
  Buffer buffer = Buffer::adopt(std::move(text), bytes);
  EXPECT_EQ(as_text(buffer), "adopted");
  buffer = Buffer();
  EXPECT_TRUE(watch.expired());
}

TEST(Buffer, SliceOutsideEndsTheProcess) {
  const Buffer buffer = Buffer::copy_of(as_bytes("abc"));
  EXPECT_DEATH((void)buffer.slice(1, 3), "outside");
  EXPECT_DEATH((void)buffer.slice(as_bytes("abc")), "outside");
}

TEST(MutableBuffer, FreezesWithoutACopy) {
  MutableBuffer draft = MutableBuffer::of_size(8);
  std::byte* data = draft.data();
  std::memcpy(data, "payload", 7);
  const Buffer frozen = std::move(draft).freeze(7);
  EXPECT_EQ(frozen.data(), data);
  EXPECT_EQ(as_text(frozen), "payload");
}

TEST(BufferPool, CapacityIsThePowerOfTwoAbove) {
  MemoryBudget budget("test", 64 * kMiB);
  BufferPool pool(budget, 0);

  struct Case {
    size_t size, capacity;
  };

  const size_t large = BufferPool::kLargestSlab;
  for (const Case c : {Case{0, 4096}, Case{1, 4096}, Case{4095, 4096}, Case{4096, 4096},
                       Case{4097, 8192}, Case{8192, 8192}, Case{8193, 16384},
                       Case{large - 1, large}, Case{large, large}, Case{large + 1, large + 1}}) {
    auto buffer = pool.allocate(c.size);
    ASSERT_TRUE(buffer.ok());
    EXPECT_EQ(buffer->size(), c.size);
    EXPECT_EQ(buffer->capacity(), c.capacity);
    EXPECT_EQ(budget.used(), c.capacity);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % BufferPool::kAlignment, 0u);
    std::memset(buffer->data(), 1, buffer->capacity());
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST(BufferPool, TheLastSliceEndsTheReservation) {
  MemoryBudget budget("request buffers", 8192);
  BufferPool pool(budget, kMiB);
  Buffer slice;
  {
    auto buffer = pool.allocate(8192);
    ASSERT_TRUE(buffer.ok());
    slice = std::move(*buffer).freeze(100).slice(10, 5);
  }
  const auto refused = pool.allocate(1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kOverloaded);
  EXPECT_EQ(refused.error().retry, Retry::kBackoff);
  EXPECT_EQ(refused.error().message, "request buffers: 4096 bytes asked for, 8192 of 8192 in use");
  slice = Buffer();
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_TRUE(pool.allocate(1).ok());
}

TEST(BufferPool, ReusesSlabsAndBoundsTheIdleOnes) {
  MemoryBudget budget("test", kMiB);
  BufferPool pool(budget, 8192);
  std::byte* first = pool.allocate(100)->data();
  EXPECT_EQ(pool.idle_bytes(), 4096u);
  EXPECT_EQ(pool.allocate(4000)->data(), first);
  {
    std::vector<MutableBuffer> three;
    three.reserve(3);
    for (int i = 0; i < 3; ++i) {
      three.push_back(pool.allocate(4096).value());
    }
    EXPECT_EQ(pool.idle_bytes(), 0u);
  }
  EXPECT_EQ(pool.idle_bytes(), 8192u);
}

#if !__has_feature(address_sanitizer)
size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  size_t all = 0;
  size_t resident = 0;
  statm >> all >> resident;
  return resident * BufferPool::kAlignment;
}

TEST(BufferPool, MemoryOfLargeSlabsIsGivenBackWhateverIsAllocatedBetweenThem) {
  MemoryBudget budget("test", 64 * kMiB);
  BufferPool pool(budget, 0);
  std::vector<std::unique_ptr<std::string>> small;
  for (int round = 0; round < 3; ++round) {  // malloc(3) learns from what is freed
    std::vector<MutableBuffer> large;
    for (int i = 0; i < 48; ++i) {
      large.push_back(pool.allocate(kMiB).value());
      std::memset(large.back().data(), 1, kMiB);
      small.push_back(std::make_unique<std::string>(5000, 'x'));
    }
    const size_t before = resident_bytes();
    large.clear();
    EXPECT_LT(resident_bytes(), before - 40 * kMiB) << round;
  }
}
#endif

TEST(BufferPool, BuffersOutliveThePoolAndDieOnOtherThreads) {
  MemoryBudget budget("test", 64 * kMiB);
  std::vector<std::thread> threads;
  {
    BufferPool pool(budget, kMiB);
    for (int t = 0; t < 4; ++t) {
      std::vector<Buffer> mine;
      mine.reserve(50);
      for (size_t i = 0; i < 50; ++i) {
        mine.push_back(pool.allocate(i * 997)->size() == 0
                           ? Buffer()
                           : std::move(*pool.allocate(i * 997)).freeze(i));
      }
      threads.emplace_back([buffers = std::move(mine)]() mutable { buffers.clear(); });
    }
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace millrace::bytes
