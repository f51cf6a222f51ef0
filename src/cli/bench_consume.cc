#include "cli/bench.h"
#include "cli/topics.h"
#include "client/admin.h"
#include "client/consumer.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

namespace millrace::cli {
namespace {

constexpr auto kTimeout = std::chrono::seconds(10);

using Time = std::chrono::steady_clock::time_point;

/// What one client did. It ends with this, not within the time that is measured: the library takes
/// some 100 ms for it.
struct Share {
  std::unique_ptr<client::Consumer> consumer;
  Status status;
  uint64_t records = 0;
  uint64_t bytes = 0;
  Time last;  // record: that there is no other one takes the library 100 ms more
};

Status read_all(const BenchArguments& arguments, const std::vector<int32_t>& partitions,
                Share& share) {
  share.last = std::chrono::steady_clock::now();
  MILLRACE_TRY(share.consumer, client::Consumer::open(arguments.servers, arguments.topic,
                                                      partitions, {}, kTimeout));
  const auto count = [&](const client::ConsumedRecord& record) {
    ++share.records;
    share.bytes += record.value.value_or("").size();
    share.last = std::chrono::steady_clock::now();
  };
  while (!share.consumer->is_at_end() && !*arguments.stop) {
    MILLRACE_TRY([[maybe_unused]] const bool came,
                 share.consumer->poll(std::chrono::milliseconds(200), count));
  }
  return share.consumer->damage();
}

}  // namespace

Result<BenchReport> bench_consume(const BenchArguments& arguments) {
  MILLRACE_TRY(const auto admin, client::Admin::connect(arguments.servers, kTimeout));
  MILLRACE_TRY(const auto topics, admin->list_topics());
  const auto found = std::ranges::find(topics, arguments.topic, &client::TopicInfo::name);
  if (found == topics.end()) {
    const Error missing = unknown_topic(arguments.topic, topics);
    return make_error(missing.code, "{}; or make it with: millrace bench produce -t {}",
                      missing.message, arguments.topic);
  }
  const client::TopicInfo& topic = *found;
  const size_t clients =
      std::min(static_cast<size_t>(arguments.connections), topic.partitions.size());
  std::vector<std::vector<int32_t>> partitions(clients);
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    partitions[i % clients].push_back(topic.partitions[i].id);
  }
  std::vector<Share> shares(clients);
  std::vector<std::thread> threads;
  threads.reserve(clients);
  const double cpu_before = own_cpu_seconds();
  const auto begun = std::chrono::steady_clock::now();
  for (size_t i = 0; i < clients; ++i) {
    threads.emplace_back(
        [&, i] { shares[i].status = read_all(arguments, partitions[i], shares[i]); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  BenchReport report;
  report.verb = "consume";
  const auto last = std::ranges::max_element(shares, {}, &Share::last);
  report.seconds = std::chrono::duration<double>(last->last - begun).count();
  report.is_interrupted = *arguments.stop;
  report.client_cpu_seconds = own_cpu_seconds() - cpu_before;
  for (const Share& share : shares) {
    MILLRACE_TRY_STATUS(share.status);
    report.records += share.records;
    report.megabytes += static_cast<double>(share.bytes) / 1e6;
  }
  return report;
}

}  // namespace millrace::cli
