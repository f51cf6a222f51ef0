// What a record costs on its way into a file, by method, record, buffer and number of threads on
// one appender.
#include "io/appender.h"

#include <benchmark/benchmark.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace millrace::io {
namespace {

constexpr int64_t kTotalBytes = int64_t{256} << 20;  // of one run, by all its threads
constexpr int64_t kSyncs = 2000;                     // of a run that syncs each record
constexpr std::array kMethods{AppendMethod::kPageCache, AppendMethod::kDirect,
                              AppendMethod::kUring};

std::string path() {
  return (std::filesystem::temp_directory_path() /
          ("millrace_append_bench." + std::to_string(::getpid())))
      .string();
}

std::unique_ptr<Appender> shared;

/// range(0): method, range(1): bytes of a buffer.
void open_shared(const benchmark::State& state) {
  AppenderOptions options;
  options.method = kMethods[static_cast<size_t>(state.range(0))];
  options.buffer_bytes = static_cast<size_t>(state.range(1));
  shared = open_appender(posix_disk(), path(), OpenMode::kCreateNew, 0, options).value();
}

void close_shared(const benchmark::State&) {
  if (!shared->sync().ok() || !shared->close().ok()) {
    std::fprintf(stderr, "append_bench: %s\n", shared->sync().error().message.c_str());
    std::abort();
  }
  shared.reset();
  static_cast<void>(posix_disk().remove(path()));
}

/// range(2): bytes of a record. `syncs`: each record.
void append_each(benchmark::State& state, bool syncs) {
  const std::vector<std::byte> record(static_cast<size_t>(state.range(2)), std::byte{1});
  for (auto _ : state) {
    if (!shared->append(record).ok() || (syncs && !shared->sync().ok())) {
      state.SkipWithError("append failed");
      break;
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(2));
}

void add(const std::string& name, AppendMethod method, int64_t buffer, int64_t size, int threads,
         int64_t iterations, bool syncs) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [syncs](benchmark::State& state) { append_each(state, syncs); })
      ->Args({static_cast<int64_t>(method), buffer, size})
      ->ArgNames({"method", "buffer", "record"})
      ->Threads(threads)
      ->Iterations(iterations)
      ->Setup(open_shared)
      ->Teardown(close_shared)
      ->UseRealTime();
}

}  // namespace
}  // namespace millrace::io

int main(int argc, char** argv) {
  using namespace millrace::io;  // NOLINT(google-build-using-namespace): of main alone
  for (const AppendMethod method : kMethods) {
    for (const int64_t size : {128, 1024, 8192}) {
      for (const int64_t buffer : {64 << 10, 256 << 10, 1 << 20}) {
        for (const int threads : {1, 2, 8}) {
          add("append", method, buffer, size, threads, kTotalBytes / size / threads, false);
        }
      }
    }
    for (const int threads : {1, 8, 64}) {
      add("append_and_sync", method, 64 << 10, 1024, threads, kSyncs, true);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
