#include "bench/append/recommend.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace millrace::bench {
namespace {

constexpr uint64_t kBulkBytes = uint64_t{1} << 30;
constexpr size_t kKiB = 1024;

bool is_ours(const Row& row) {
  return row.load.method == Method::kPageCache || row.load.method == Method::kDirect ||
         row.load.method == Method::kUring;
}

std::string text_of(Method method, size_t buffer_bytes) {
  return fmt::format("{}, buffers of {} KiB", name_of(method), buffer_bytes / kKiB);
}

std::optional<Advice> low_latency(const std::vector<Row>& rows) {
  const Row* best = nullptr;
  for (const Row& row : rows) {
    if (!is_ours(row) || row.load.policy.kind != Policy::Kind::kGroup) {
      continue;
    }
    if (best == nullptr || row.load.threads > best->load.threads ||
        (row.load.threads == best->load.threads &&
         row.latencies_ns.percentile(0.99) < best->latencies_ns.percentile(0.99))) {
      best = &row;
    }
  }
  if (best == nullptr) {
    return std::nullopt;
  }
  return Advice{"low latency",
                fmt::format("{}, group: p99 {:.2f} ms, {:.0f} durable records/s, {} threads",
                            text_of(best->load.method, best->load.buffer_bytes),
                            static_cast<double>(best->latencies_ns.percentile(0.99)) / 1e6,
                            best->records_per_second(), best->load.threads)};
}

bool is_of_suite(const Row& row) {
  const Case& load = row.load;
  return is_ours(row) && load.policy.kind == Policy::Kind::kEnd && load.threads == 1 &&
         load.batch_bytes == 0 && load.ground == Ground::kFresh && load.bytes() < kBulkBytes;
}

std::optional<Advice> general(const std::vector<Row>& rows) {
  std::set<size_t> sizes;
  std::map<std::pair<Method, size_t>, std::map<size_t, double>> rates;  // by record size
  for (const Row& row : rows) {
    if (is_of_suite(row)) {
      sizes.insert(row.load.record_bytes);
      rates[{row.load.method, row.load.buffer_bytes}][row.load.record_bytes] =
          row.megabytes_per_second();
    }
  }
  std::optional<std::pair<double, std::string>> best;
  for (const auto& [choice, by_size] : rates) {
    if (by_size.size() != sizes.size()) {
      continue;
    }
    double sum = 0;
    std::string each;
    for (const auto& [size, rate] : by_size) {
      sum += std::log(rate);
      each += fmt::format("{}{:.0f} MB/s at {} B", each.empty() ? "" : ", ", rate, size);
    }
    const double mean = sum / static_cast<double>(by_size.size());
    if (!best || mean > best->first) {
      best = {mean, fmt::format("{}: {}", text_of(choice.first, choice.second), each)};
    }
  }
  return best ? std::optional(Advice{"general", best->second}) : std::nullopt;
}

std::optional<Advice> bulk(const std::vector<Row>& rows) {
  const Row* best = nullptr;
  const Row* raw = nullptr;
  for (const Row& row : rows) {
    if (row.load.bytes() < kBulkBytes) {
      continue;
    }
    if (row.load.method == Method::kRawDisk) {
      raw = &row;
    } else if (is_ours(row) &&
               (best == nullptr || row.megabytes_per_second() > best->megabytes_per_second())) {
      best = &row;
    }
  }
  if (best == nullptr) {
    return std::nullopt;
  }
  std::string choice =
      fmt::format("{}, {} file: {:.0f} MB/s", text_of(best->load.method, best->load.buffer_bytes),
                  name_of(best->load.ground), best->megabytes_per_second());
  if (raw != nullptr) {
    choice += fmt::format(", {:.0f} % of the disk",
                          100 * best->megabytes_per_second() / raw->megabytes_per_second());
  }
  return Advice{"bulk", choice};
}

}  // namespace

std::vector<Advice> recommend(const std::vector<Row>& rows) {
  std::vector<Advice> all;
  for (auto& advice : {low_latency(rows), general(rows), bulk(rows)}) {
    if (advice) {
      all.push_back(*advice);
    }
  }
  return all;
}

}  // namespace millrace::bench
