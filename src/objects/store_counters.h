// What an object store was asked, and what that costs in a bucket.
#pragma once

#include "base/result.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::objects {

/// As a bucket's owner bills them.
enum class RequestKind : uint8_t {
  kPut,   // a whole object in one request
  kPart,  // of an upload in parts: each part, its begin and its end
  kGet,
  kList,  // one page of names
  kHead,
  kDelete,
};

constexpr size_t kRequestKinds = 6;

std::string_view name_of(RequestKind kind);

/// Of one store, since it was made. A request that is repeated within a call counts once: what is
/// billed may be a little more. A store on disk counts as if it were a bucket. Thread-safe.
struct StoreCounters {
  std::array<std::atomic<uint64_t>, kRequestKinds> requests{};
  std::atomic<uint64_t> bytes_written{0};  // of objects published
  std::atomic<uint64_t> bytes_read{0};
  std::atomic<uint64_t> failures{0};  // calls that failed other than by kNotFound and kInvalid

  void count(RequestKind kind, uint64_t times = 1) {
    requests[static_cast<size_t>(kind)].fetch_add(times, std::memory_order_relaxed);
  }

  uint64_t of(RequestKind kind) const {
    return requests[static_cast<size_t>(kind)].load(std::memory_order_relaxed);
  }

  /// The same, counted if it is a failure.
  template <typename T>
  Result<T> checked(Result<T> result) {
    if (!result.ok() && result.error().code != Code::kNotFound &&
        result.error().code != Code::kInvalid) {
      failures.fetch_add(1, std::memory_order_relaxed);
    }
    return result;
  }
};

/// US dollars a thousand requests. Defaults: list prices of S3 Standard in us-east-1; to delete
/// costs nothing there.
struct RequestPrices {
  double write = 0.005;  // put, part, list
  double read = 0.0004;  // get, head
};

/// For each 10^12 bytes written; 0 as long as none were.
struct WriteCost {
  double requests = 0;
  double dollars = 0;  // for requests; neither room nor traffic
};

WriteCost cost_per_terabyte(const StoreCounters& counters, const RequestPrices& prices = {});

}  // namespace millrace::objects
