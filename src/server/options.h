// What a server is told, checked and typed.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "base/settings.h"
#include "net/address.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace millrace::server {

inline constexpr uint64_t kFilesInJournal = 8;  // that its budget must hold

/// Where segment objects go when not into the data directory.
struct BucketOptions {
  std::string name;
  std::string prefix;                  // empty: all of the bucket
  std::string scheme = "https";        // or http
  std::string endpoint;                // host[:port]; empty: Amazon's
  std::string region;                  // empty: as AWS tools find it
  uint64_t cache_bytes = 0;            // 0: see segment_store.cc
  uint64_t read_bytes_per_second = 0;  // 0: no limit
};

struct Options {
  std::string data;
  net::Address kafka;
  std::optional<net::Address> kafka_advertise;
  net::Address http;
  bool insecure = false;
  std::string version;  // that health answers name
  log::Level log_level = log::Level::kNormal;
  log::Format log_format = log::Format::kText;
  size_t shards = 0;  // 0: one a core
  size_t max_connections = 4096;
  std::chrono::milliseconds drain{10'000};
  uint64_t memory_bytes = 0;  // 0: see budgets.h
  uint64_t journal_file_bytes = 0;
  uint64_t journal_max_bytes = 0;  // 0: see budgets.h
  std::chrono::milliseconds journal_interval{0};
  std::string journal_write_method;  // "auto" or a method's name
  uint64_t journal_run_bytes = 0;    // 0: see media.h
  std::chrono::milliseconds retention_check{30'000};
  std::optional<BucketOptions> bucket;
  uint64_t segment_bytes = 0;
  std::chrono::milliseconds segment_age{0};
  std::chrono::milliseconds object_linger{0};
  std::chrono::milliseconds scrub_interval{0};  // 0: never
  uint64_t scrub_bytes_per_second = 0;
  int32_t default_partitions = 4;
  bool auto_create_topics = true;
  uint64_t flush_bytes = 0;
  uint64_t flush_rows = 0;
  std::chrono::milliseconds flush_age{0};
  size_t flush_threads = 1;
  std::chrono::milliseconds query_time{0};
  size_t query_rows = 0;
  size_t query_threads = 0;  // 0: one a core
};

/// Every setting of `millrace serve`, in the order of its help.
const SettingSchema& settings_schema();

/// Errors: kInvalid (no data directory, an address that is none, a bind that needs --insecure, a
/// wildcard bind without an advertised address, port 0 advertised, a bucket that is none),
/// kConflict (the data directory is something else).
Result<Options> options_from(const Settings& settings);

}  // namespace millrace::server
