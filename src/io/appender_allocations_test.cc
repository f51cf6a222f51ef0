// Appending asks the heap for nothing. Of each thread its own requests are counted; a sanitizer's
// heap is left alone.
#include "io/appender.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <barrier>
#include <cstdlib>
#include <new>
#include <thread>

#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer) && \
    !__has_feature(thread_sanitizer)
#define MILLRACE_COUNTS_ALLOCATIONS 1
#endif

#ifdef MILLRACE_COUNTS_ALLOCATIONS

namespace {

thread_local uint64_t allocations = 0;

}  // namespace

void* operator new(size_t size) {
  ++allocations;
  if (void* bytes = std::malloc(size)) {
    return bytes;
  }
  throw std::bad_alloc();
}

void operator delete(void* bytes) noexcept {
  std::free(bytes);
}

void operator delete(void* bytes, size_t) noexcept {
  std::free(bytes);
}

namespace millrace::io {
namespace {

class AppenderAllocations : public testing::TestWithParam<std::tuple<AppendMethod, size_t>> {};

TEST_P(AppenderAllocations, AreNone) {
  const auto [method, threads] = GetParam();
  const std::string path = testing::TempDir() + "allocations-" + std::to_string(::getpid());
  const auto appender = open_appender(posix_disk(), path, OpenMode::kCreate, 0,
                                      {.method = method, .buffer_bytes = 64 << 10, .buffers = 2})
                            .value();
  const std::vector<std::byte> record(1000, std::byte{1});
  std::barrier begin(static_cast<ptrdiff_t>(threads));
  std::vector<uint64_t> found(threads, 1);
  std::vector<std::thread> workers;
  workers.reserve(threads);
  for (size_t i = 0; i < threads; ++i) {
    workers.emplace_back([&, i] {
      begin.arrive_and_wait();
      const uint64_t before = allocations;
      bool is_good = true;
      for (int n = 1; n <= 1000; ++n) {
        is_good = is_good && appender->append(record).ok();
        is_good = is_good && (n % 100 != 0 || appender->sync().ok());
      }
      found[i] = is_good ? allocations - before : 1;
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  EXPECT_EQ(found, std::vector<uint64_t>(threads, 0));
  EXPECT_EQ(appender->position(), threads * 1000 * record.size());
  EXPECT_TRUE(appender->close().ok());
  EXPECT_TRUE(posix_disk().remove(path).ok());
}

INSTANTIATE_TEST_SUITE_P(All, AppenderAllocations,
                         testing::Combine(testing::Values(AppendMethod::kPageCache,
                                                          AppendMethod::kDirect,
                                                          AppendMethod::kUring),
                                          testing::Values(1, 8)));

}  // namespace
}  // namespace millrace::io

#endif
