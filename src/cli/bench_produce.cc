#include "cli/bench.h"
#include "client/admin.h"
#include "client/producer.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

namespace millrace::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLook{100};  // whether to stop
constexpr std::chrono::seconds kPatience{10};    // with a server that does not answer

/// What one client did.
struct Share {
  Status status;
  uint64_t delivered = 0;
  std::vector<int64_t> latencies_us;
};

/// Bytes that no codec makes smaller.
std::string random_value(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string value(size, '\0');
  for (char& c : value) {
    c = static_cast<char>(random());
  }
  return value;
}

Status send_all(client::Producer& producer, const std::string& value, uint64_t records, double rate,
                const std::atomic<bool>& stop) {
  const auto begun = Clock::now();
  for (uint64_t i = 0; i < records && !stop; ++i) {
    if (rate > 0) {
      // Open loop: the i-th record is due at its time, whatever became of those before.
      const auto due = begun + std::chrono::nanoseconds(
                                   static_cast<int64_t>(1e9 * static_cast<double>(i) / rate));
      for (auto now = Clock::now(); now < due && !stop; now = Clock::now()) {
        producer.serve(std::min<std::chrono::nanoseconds>(kLook, due - now));
      }
    }
    MILLRACE_TRY_STATUS(producer.send({.partition = {}, .key = {}, .value = value, .headers = {}}));
  }
  return producer.flush(std::chrono::minutes(2));
}

/// Connected, and knows the topic.
Result<std::unique_ptr<client::Producer>> make_producer(const BenchArguments& arguments) {
  client::ProducerOptions options;
  options.servers = arguments.servers;
  options.topic = arguments.topic;
  options.compression = arguments.compression;
  options.acks = arguments.acks == "all" ? -1 : std::stoi(arguments.acks);
  options.keep_waiting = [&arguments] { return !*arguments.stop; };
  options.linger = std::chrono::milliseconds(arguments.linger_ms);
  options.keep_latencies = true;
  MILLRACE_TRY(auto producer, client::Producer::open(options));
  MILLRACE_TRY_STATUS(producer->prepare(kPatience));
  return producer;
}

void run_client(const BenchArguments& arguments, client::Producer& producer, uint64_t records,
                uint64_t seed, Share& share) {
  const std::string value = random_value(arguments.size, seed);
  share.status =
      send_all(producer, value, records, arguments.rate / arguments.connections, *arguments.stop);
  if (*arguments.stop && (share.status.ok() || share.status.error().code == Code::kCancelled)) {
    share.status = {};
    producer.abandon(std::chrono::seconds(2));
  }
  share.delivered = producer.delivered();
  share.latencies_us = producer.take_latencies_us();
}

Status ensure_topic(const BenchArguments& arguments) {
  MILLRACE_TRY(const auto admin, client::Admin::connect(arguments.servers, kPatience));
  MILLRACE_TRY([[maybe_unused]] const auto topics, admin->list_topics());  // is it there at all
  const auto made = admin->create_topic(arguments.topic, arguments.partitions,
                                        {{"retention.bytes", "1073741824"}});
  return made.ok() || made.error().code == Code::kConflict ? Status{} : Status(made.error());
}

}  // namespace

Result<BenchReport> bench_produce(const BenchArguments& arguments) {
  MILLRACE_TRY_STATUS(ensure_topic(arguments));
  const auto clients = static_cast<size_t>(arguments.connections);
  std::vector<std::unique_ptr<client::Producer>> producers(clients);
  for (auto& producer : producers) {
    MILLRACE_TRY(producer, make_producer(arguments));
  }
  std::vector<Share> shares(clients);
  std::vector<std::thread> threads;
  threads.reserve(clients);
  const double cpu_before = own_cpu_seconds();
  const auto begun = Clock::now();
  for (size_t i = 0; i < clients; ++i) {
    const uint64_t records =
        arguments.records / clients + (i < arguments.records % clients ? 1 : 0);
    threads.emplace_back([&arguments, &producer = *producers[i], records, i, &share = shares[i]] {
      run_client(arguments, producer, records, i, share);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  BenchReport report;
  report.verb = "produce";
  report.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  report.is_interrupted = *arguments.stop;
  report.client_cpu_seconds = own_cpu_seconds() - cpu_before;
  for (Share& share : shares) {
    MILLRACE_TRY_STATUS(share.status);
    report.records += share.delivered;
    for (const int64_t latency : share.latencies_us) {
      report.latencies_us.add(latency);
    }
  }
  report.megabytes = static_cast<double>(report.records * arguments.size) / 1e6;
  return report;
}

}  // namespace millrace::cli
