#include "bench/append/matrix.h"

#include <algorithm>
#include <array>

namespace millrace::bench {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr uint64_t kQuickBytes = 128 * kMiB;
constexpr unsigned kRepeats = 9;      // of runs that take milliseconds
constexpr unsigned kLongRepeats = 3;  // of those that take seconds

struct Load {
  size_t record_bytes;
  uint64_t records;
};

// The append-only writer suite's; of each record size what fits in 80 MB.
constexpr std::array kSuite{Load{128, 100'000}, Load{1024, 50'000}, Load{8192, 10'000}};
constexpr Load kBulk{8192, 256 * kKiB};  // 2 GiB: more than a disk's or the kernel's first gulp

constexpr std::array kPlainBuffers{4 * kKiB, 8 * kKiB, 16 * kKiB, 64 * kKiB};

Case with(const Load& load, Method method, size_t buffer_bytes, Policy::Kind policy,
          Ground ground = Ground::kFresh) {
  Case made;
  made.method = method;
  made.buffer_bytes = buffer_bytes;
  made.record_bytes = load.record_bytes;
  made.records = load.records;
  made.policy.kind = policy;
  made.ground = ground;
  return made;
}

std::string text_of(const Load& load) {
  return load.record_bytes % kKiB == 0
             ? fmt::format("{} KiB x {}", load.record_bytes / kKiB, load.records)
             : fmt::format("{} B x {}", load.record_bytes, load.records);
}

Scenario suite(const Load& load, Policy::Kind policy) {
  Scenario scenario;
  scenario.title =
      text_of(load) + (policy == Policy::Kind::kEnd ? ", one sync at the end" : ", never synced");
  scenario.repeats = kRepeats;
  auto& cases = scenario.cases;
  cases.push_back(with(load, Method::kWrite, 0, policy));
  for (const Method method : {Method::kBuffered, Method::kPageAligned}) {
    for (const size_t buffer : kPlainBuffers) {
      cases.push_back(with(load, method, buffer, policy));
    }
  }
  cases.push_back(with(load, Method::kMapped, 0, policy));
  for (const size_t buffer : {64 * kKiB, 256 * kKiB, kMiB}) {
    cases.push_back(with(load, Method::kPageCache, buffer, policy));
  }
  for (const Method method : {Method::kDirect, Method::kUring}) {
    for (const size_t buffer : {256 * kKiB, kMiB}) {
      cases.push_back(with(load, method, buffer, policy));
    }
  }
  if (policy == Policy::Kind::kEnd) {
    for (const Ground ground : {Ground::kReserved, Ground::kRecycled}) {
      cases.push_back(with(load, Method::kPageCache, 256 * kKiB, policy, ground));
      cases.push_back(with(load, Method::kDirect, kMiB, policy, ground));
      cases.push_back(with(load, Method::kUring, 256 * kKiB, policy, ground));
    }
    cases.push_back(with(load, Method::kRawDisk, 256 * kKiB, policy, Ground::kRecycled));
  }
  return scenario;
}

Scenario batched(size_t batch_bytes) {
  Scenario scenario;
  scenario.title = fmt::format("{}, put together to {} KiB, one sync at the end",
                               text_of(kSuite[0]), batch_bytes / kKiB);
  scenario.repeats = kRepeats;
  for (const auto& [method, buffer] :
       {std::pair{Method::kWrite, size_t{0}}, std::pair{Method::kBuffered, 64 * kKiB},
        std::pair{Method::kPageAligned, 64 * kKiB}, std::pair{Method::kPageCache, 256 * kKiB},
        std::pair{Method::kDirect, kMiB}, std::pair{Method::kUring, 256 * kKiB}}) {
    scenario.cases.push_back(with(kSuite[0], method, buffer, Policy::Kind::kEnd));
    scenario.cases.back().batch_bytes = batch_bytes;
  }
  return scenario;
}

Scenario bulk() {
  Scenario scenario;
  scenario.title = text_of(kBulk) + " (2 GiB), one sync at the end";
  scenario.repeats = kLongRepeats;
  auto& cases = scenario.cases;
  const auto end = Policy::Kind::kEnd;
  cases.push_back(with(kBulk, Method::kWrite, 0, end));
  cases.push_back(with(kBulk, Method::kPageAligned, 64 * kKiB, end));
  cases.push_back(with(kBulk, Method::kMapped, 0, end));
  cases.push_back(with(kBulk, Method::kPageCache, 256 * kKiB, end));
  for (const Ground ground : {Ground::kFresh, Ground::kRecycled}) {
    cases.push_back(with(kBulk, Method::kDirect, kMiB, end, ground));
    cases.push_back(with(kBulk, Method::kUring, 256 * kKiB, end, ground));
    cases.push_back(with(kBulk, Method::kUring, kMiB, end, ground));
  }
  cases.push_back(with(kBulk, Method::kPageCache, 256 * kKiB, end, Ground::kRecycled));
  cases.push_back(with(kBulk, Method::kRawDisk, kMiB, end, Ground::kRecycled));
  return scenario;
}

constexpr std::array kPolicies{
    Policy{.kind = Policy::Kind::kNone},
    Policy{.kind = Policy::Kind::kEnd},
    Policy{.kind = Policy::Kind::kEach},
    Policy{.kind = Policy::Kind::kEvery, .every = 100},
    Policy{.kind = Policy::Kind::kInterval, .interval = std::chrono::milliseconds(10)},
    Policy{.kind = Policy::Kind::kGroup}};

/// Those that have no group commit: each sync is its own.
bool is_exhibit(Method method) {
  return method == Method::kWrite || method == Method::kBuffered ||
         method == Method::kPageAligned || method == Method::kMapped;
}

/// So many that a run takes tenths of a second, where each record waits for the disk.
uint64_t records_of(const Case& load) {
  constexpr uint64_t kSyncs = 2000;
  switch (load.policy.kind) {
    case Policy::Kind::kEach:
      return std::min(load.records, kSyncs);
    case Policy::Kind::kGroup:
      return std::min(load.records, is_exhibit(load.method) ? kSyncs : load.threads * kSyncs / 2);
    default:
      return load.records;
  }
}

Scenario durable(const Policy& policy) {
  Scenario scenario;
  scenario.title = fmt::format("1 KiB, durable: {}, one appender", name_of(policy));
  scenario.repeats = kRepeats;
  for (const unsigned threads : {1U, 8U, 64U}) {
    for (const auto& [method, buffer] :
         {std::pair{Method::kWrite, size_t{0}}, std::pair{Method::kPageAligned, 64 * kKiB},
          std::pair{Method::kPageCache, 64 * kKiB}, std::pair{Method::kDirect, 64 * kKiB},
          std::pair{Method::kUring, 64 * kKiB}}) {
      auto& made = scenario.cases.emplace_back(
          with(kSuite[1], method, buffer, policy.kind, Ground::kRecycled));
      made.policy = policy;
      made.threads = threads;
      made.records = records_of(made);
    }
  }
  return scenario;
}

Scenario threads(bool is_shared) {
  constexpr Load kLoad{128, 1'000'000};
  Scenario scenario;
  scenario.title = fmt::format("{}, one sync at the end, {}", text_of(kLoad),
                               is_shared ? "one appender for all threads" : "one each");
  scenario.repeats = kRepeats;
  for (const unsigned count : {1U, 2U, 8U, 64U}) {
    for (const auto& [method, buffer] :
         {std::pair{Method::kPageAligned, 64 * kKiB}, std::pair{Method::kPageCache, 256 * kKiB},
          std::pair{Method::kDirect, kMiB}, std::pair{Method::kUring, 256 * kKiB}}) {
      auto& made = scenario.cases.emplace_back(with(kLoad, method, buffer, Policy::Kind::kEnd));
      made.threads = count;
      made.is_shared = is_shared;
    }
  }
  return scenario;
}

/// One record size under one policy: all methods, buffers and numbers of threads.
Scenario product(const Load& load, const Policy& policy) {
  Scenario scenario;
  scenario.title = fmt::format("{}, {}", text_of(load), name_of(policy));
  scenario.repeats = kRepeats;
  for (const Method method :
       {Method::kWrite, Method::kBuffered, Method::kPageAligned, Method::kMapped,
        Method::kPageCache, Method::kDirect, Method::kUring}) {
    for (const size_t buffer : {4 * kKiB, 16 * kKiB, 64 * kKiB, 256 * kKiB, kMiB, 4 * kMiB}) {
      if (!has_buffer(method) && buffer != 4 * kKiB) {
        continue;
      }
      for (const unsigned count : {1U, 2U, 8U, 64U}) {
        for (const bool is_shared : {true, false}) {
          if (count == 1 && !is_shared) {
            continue;
          }
          auto& made = scenario.cases.emplace_back(
              with(load, method, has_buffer(method) ? buffer : 0, policy.kind));
          made.policy = policy;
          made.threads = count;
          made.is_shared = is_shared;
          made.records = records_of(made);
        }
      }
    }
  }
  return scenario;
}

template <typename T>
bool is_in(const std::vector<T>& wanted, const T& value) {
  return wanted.empty() || std::ranges::find(wanted, value) != wanted.end();
}

}  // namespace

std::vector<Scenario> default_matrix() {
  std::vector<Scenario> matrix;
  for (const Policy::Kind policy : {Policy::Kind::kEnd, Policy::Kind::kNone}) {
    for (const Load& load : kSuite) {
      matrix.push_back(suite(load, policy));
    }
  }
  matrix.push_back(batched(4 * kKiB));
  matrix.push_back(batched(8 * kKiB));
  matrix.push_back(bulk());
  for (const Policy& policy : kPolicies) {
    if (policy.kind != Policy::Kind::kNone && policy.kind != Policy::Kind::kEnd) {
      matrix.push_back(durable(policy));
    }
  }
  matrix.push_back(threads(true));
  matrix.push_back(threads(false));
  return matrix;
}

std::vector<Scenario> full_matrix() {
  std::vector<Scenario> matrix = default_matrix();
  for (const Load& load : kSuite) {
    for (const Policy& policy : kPolicies) {
      matrix.push_back(product(load, policy));
    }
  }
  return matrix;
}

std::vector<Scenario> only(std::vector<Scenario> matrix, const Subset& subset) {
  for (Scenario& scenario : matrix) {
    std::erase_if(scenario.cases, [&](const Case& each) {
      return !is_in(subset.methods, each.method) || !is_in(subset.policies, each.policy) ||
             !is_in(subset.buffer_bytes, each.buffer_bytes) ||
             (subset.is_quick && each.bytes() > kQuickBytes);
    });
    scenario.repeats = subset.is_quick ? 1 : scenario.repeats;
  }
  std::erase_if(matrix, [](const Scenario& scenario) { return scenario.cases.empty(); });
  return matrix;
}

}  // namespace millrace::bench
