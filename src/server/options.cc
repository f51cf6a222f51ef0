#include "server/options.h"

#include <filesystem>
#include <system_error>

namespace millrace::server {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kGiB = int64_t{1} << 30;
constexpr int64_t kMinute = 60'000;

/// "0.0.0.0" and "::" take connections on every interface and are no address to connect to.
bool is_wildcard(const net::Address& address) {
  return address.host == "0.0.0.0" || address.host == "::";
}

Result<net::Address> address_at(const Settings& settings, const char* name) {
  auto address = net::Address::parse(settings.text(name));
  if (!address.ok()) {
    return std::move(address).error().within(name);
  }
  return address;
}

Result<std::optional<BucketOptions>> bucket_from(const Settings& settings) {
  const std::string& url = settings.text("bucket");
  const std::string& endpoint = settings.text("bucket.endpoint");
  BucketOptions bucket;
  bucket.region = settings.text("bucket.region");
  bucket.cache_bytes = static_cast<uint64_t>(settings.number("bucket.cache_bytes"));
  bucket.read_bytes_per_second = static_cast<uint64_t>(settings.number("bucket.read_rate"));
  if (url.empty()) {
    if (!endpoint.empty() || !bucket.region.empty()) {
      return make_error(Code::kInvalid, "{}: there is no bucket: say --bucket s3://BUCKET",
                        endpoint.empty() ? "bucket.region" : "bucket.endpoint");
    }
    return std::optional<BucketOptions>();
  }
  constexpr std::string_view kScheme = "s3://";
  const size_t slash = url.find('/', kScheme.size());
  bucket.name = url.substr(std::min(kScheme.size(), url.size()), slash - kScheme.size());
  bucket.prefix = slash == std::string::npos ? "" : url.substr(slash + 1);
  if (bucket.prefix.ends_with('/')) {
    bucket.prefix.pop_back();
  }
  if (!url.starts_with(kScheme) || bucket.name.empty()) {
    return make_error(Code::kInvalid, "bucket: {} must be s3://BUCKET or s3://BUCKET/PREFIX", url);
  }
  if (const size_t colon = endpoint.find("://"); !endpoint.empty()) {
    bucket.scheme = endpoint.substr(0, colon);
    bucket.endpoint = colon == std::string::npos ? "" : endpoint.substr(colon + 3);
    const bool is_known = bucket.scheme == "http" || bucket.scheme == "https";
    if (!is_known || bucket.endpoint.empty() || bucket.endpoint.find('/') != std::string::npos) {
      return make_error(Code::kInvalid,
                        "bucket.endpoint: {} must be http://HOST[:PORT] or https://HOST[:PORT]",
                        endpoint);
    }
  }
  return std::optional(std::move(bucket));
}

}  // namespace

const SettingSchema& settings_schema() {
  using enum SettingKind;
  static const SettingSchema schema{
      {"data", kText, "", 0, 0, {}, "directory of the log and everything else; made when missing"},
      {"kafka",
       kAddress,
       "127.0.0.1:9092",
       0,
       0,
       {},
       "address of the Kafka protocol; port 0 takes any free one"},
      {"kafka_advertise",
       kAddress,
       "",
       0,
       0,
       {},
       "address that clients are told to connect to, if another"},
      {"http",
       kAddress,
       "127.0.0.1:8086",
       0,
       0,
       {},
       "address of HTTP: writes, SQL, metrics; port 0 takes any free one"},
      {"insecure",
       kBoolean,
       "false",
       0,
       1,
       {},
       "allow addresses that other machines can reach: there is no security yet"},
      {"topic.default_partitions",
       kInteger,
       "4",
       1,
       10'000,
       {},
       "partitions of a topic that names none"},
      {"topic.auto_create",
       kBoolean,
       "true",
       0,
       1,
       {},
       "make a topic when a Kafka client first asks for it"},
      {"journal.file_bytes",
       kBytes,
       "256MiB",
       kMiB,
       16 * kGiB,
       {},
       "size of a journal file, at most an eighth of journal.max_bytes"},
      {"journal.max_bytes",
       kBytes,
       "0",
       8 * kMiB,
       INT64_MAX,
       {},
       "disk budget of the journal; 0: the smaller of 50 GiB and half of the free disk",
       true},
      {"journal.interval_ms",
       kDurationMs,
       "100ms",
       1,
       10'000,
       {},
       "the longest that a record of a durability=interval topic stays unsynced"},
      {"journal.write_method",
       kChoice,
       "auto",
       0,
       0,
       {"auto", "page_cache", "direct"},
       "how runs are written; auto: direct, unless another is faster on this disk"},
      {"journal.run_bytes",
       kBytes,
       "0",
       kMiB / 16,
       64 * kMiB,
       {},
       "the most that is written and synced at once; 0: 4 MiB, 16 MiB on a disk that turns",
       true},
      {"journal.retention_check_ms",
       kDurationMs,
       "30s",
       100,
       60 * kMinute,
       {},
       "how often expired files are looked for, besides after each rotation"},
      {"bucket",
       kText,
       "",
       0,
       0,
       {},
       "s3://BUCKET[/PREFIX] for segment objects, else they are in the data directory; keys as AWS "
       "tools find them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, a role"},
      {"bucket.endpoint",
       kText,
       "",
       0,
       0,
       {},
       "http[s]://HOST[:PORT] of an S3 server that is not Amazon's"},
      {"bucket.region", kText, "", 0, 0, {}, "region of the bucket, else as AWS tools find it"},
      {"bucket.cache_bytes",
       kBytes,
       "0",
       16 * kMiB,
       INT64_MAX,
       {},
       "disk for what was read of the bucket; 0: the smaller of 10 GiB and a tenth of the free "
       "disk",
       true},
      {"bucket.read_rate",
       kBytes,
       "0",
       kMiB,
       INT64_MAX,
       {},
       "bytes that may be read of the bucket in a second; 0: no limit",
       true},
      {"segment.bytes",
       kBytes,
       "64MiB",
       64 << 10,
       kGiB,
       {},
       "size of a segment object; what a partition has less of shares one with others"},
      {"segment.age_ms",
       kDurationMs,
       "600s",
       50,
       kMinute * 60 * 24,
       {},
       "age of records at which they go from the journal into segment objects"},
      {"scrub.interval_ms",
       kDurationMs,
       "168h",
       100,
       kMinute * 60 * 24 * 366,
       {},
       "how often all that is stored is read once and checked for damage; 0: never",
       true},
      {"scrub.read_rate",
       kBytes,
       "8MiB",
       64 << 10,
       16 * kGiB,
       {},
       "bytes that this reads in a second at most"},
      {"object.linger_ms",
       kDurationMs,
       "250ms",
       1,
       60'000,
       {},
       "how long records of durability=object topics are gathered for an object"},
      {"memory.max_bytes",
       kBytes,
       "0",
       64 * kMiB,
       INT64_MAX,
       {},
       "memory budget; 0: the smaller of 1 GiB and a quarter of the memory",
       true},
      {"tables.flush_bytes",
       kBytes,
       "64MiB",
       64 << 10,
       16 * kGiB,
       {},
       "a table's rows in memory from which they become files"},
      {"tables.flush_rows", kInteger, "1048576", 1, INT64_MAX, {}, "the same, counted in rows"},
      {"tables.flush_age_ms",
       kDurationMs,
       "600s",
       50,
       kMinute * 60 * 24,
       {},
       "age of a table's oldest row in memory at which they become files"},
      {"tables.flush_threads", kInteger, "1", 1, 64, {}, "threads that write files of tables"},
      {"query.time_ms", kDurationMs, "30s", 10, kMinute * 60 * 24, {}, "longest a query may run"},
      {"query.rows",
       kInteger,
       "1000000",
       1,
       INT64_MAX,
       {},
       "most rows a query may answer with; more are an error"},
      {"query.threads", kInteger, "0", 0, 256, {}, "threads that work on one query; 0: one a core"},
      {"server.shards", kInteger, "0", 0, 256, {}, "threads that serve connections; 0: one a core"},
      {"server.max_connections",
       kInteger,
       "4096",
       1,
       1'000'000,
       {},
       "connections of one protocol; more are closed at once"},
      {"server.drain_ms",
       kDurationMs,
       "10s",
       0,
       60 * kMinute,
       {},
       "how long a stop waits for requests in progress"},
      {"log.level",
       kChoice,
       "normal",
       0,
       0,
       {"silent", "normal", "verbose"},
       "what is logged to standard error; errors always are"},
      {"log.format", kChoice, "text", 0, 0, {"text", "json"}, "form of a log line"},
  };
  return schema;
}

Result<Options> options_from(const Settings& settings) {
  Options options;
  options.data = settings.text("data");
  if (options.data.empty()) {
    return make_error(Code::kInvalid, "no data directory: say --data DIR");
  }
  std::error_code ignored;
  const auto found = std::filesystem::status(options.data, ignored);
  if (std::filesystem::exists(found) && !std::filesystem::is_directory(found)) {
    return make_error(Code::kConflict, "data: {} is not a directory", options.data);
  }
  options.insecure = settings.boolean("insecure");
  MILLRACE_TRY(options.kafka, address_at(settings, "kafka"));
  if (!settings.text("kafka_advertise").empty()) {
    MILLRACE_TRY(options.kafka_advertise, address_at(settings, "kafka_advertise"));
    if (options.kafka_advertise->port == 0) {
      return make_error(Code::kInvalid,
                        "kafka_advertise: {} has port 0, which clients cannot connect to",
                        options.kafka_advertise->to_string());
    }
  }
  MILLRACE_TRY(options.http, address_at(settings, "http"));
  for (const auto& [name, address] : {std::pair("kafka", options.kafka), {"http", options.http}}) {
    if (!address.is_loopback() && !options.insecure) {
      return make_error(Code::kInvalid,
                        "{}: {} can be reached from other machines, and there is no security yet: "
                        "bind to 127.0.0.1, or say --insecure if your network protects it",
                        name, address.to_string());
    }
  }
  if (is_wildcard(options.kafka) && !options.kafka_advertise) {
    return make_error(
        Code::kInvalid,
        "kafka: {} is no address that clients can connect to: say --kafka-advertise HOST:PORT",
        options.kafka.to_string());
  }
  options.default_partitions = static_cast<int32_t>(settings.number("topic.default_partitions"));
  options.auto_create_topics = settings.boolean("topic.auto_create");
  options.journal_file_bytes = static_cast<uint64_t>(settings.number("journal.file_bytes"));
  options.journal_max_bytes = static_cast<uint64_t>(settings.number("journal.max_bytes"));
  if (settings.is_given("journal.file_bytes") && options.journal_max_bytes != 0 &&
      options.journal_file_bytes > options.journal_max_bytes / kFilesInJournal) {
    return make_error(
        Code::kInvalid,
        "journal.file_bytes: {} is more than an eighth of journal.max_bytes, which is {}",
        options.journal_file_bytes, options.journal_max_bytes);
  }
  options.journal_interval = std::chrono::milliseconds(settings.number("journal.interval_ms"));
  options.journal_write_method = settings.text("journal.write_method");
  options.journal_run_bytes = static_cast<uint64_t>(settings.number("journal.run_bytes"));
  options.retention_check =
      std::chrono::milliseconds(settings.number("journal.retention_check_ms"));
  MILLRACE_TRY(options.bucket, bucket_from(settings));
  options.segment_bytes = static_cast<uint64_t>(settings.number("segment.bytes"));
  options.segment_age = std::chrono::milliseconds(settings.number("segment.age_ms"));
  options.scrub_interval = std::chrono::milliseconds(settings.number("scrub.interval_ms"));
  options.scrub_bytes_per_second = static_cast<uint64_t>(settings.number("scrub.read_rate"));
  options.object_linger = std::chrono::milliseconds(settings.number("object.linger_ms"));
  options.flush_bytes = static_cast<uint64_t>(settings.number("tables.flush_bytes"));
  options.flush_rows = static_cast<uint64_t>(settings.number("tables.flush_rows"));
  options.flush_age = std::chrono::milliseconds(settings.number("tables.flush_age_ms"));
  options.flush_threads = static_cast<size_t>(settings.number("tables.flush_threads"));
  options.query_time = std::chrono::milliseconds(settings.number("query.time_ms"));
  options.query_rows = static_cast<size_t>(settings.number("query.rows"));
  options.query_threads = static_cast<size_t>(settings.number("query.threads"));
  options.memory_bytes = static_cast<uint64_t>(settings.number("memory.max_bytes"));
  options.shards = static_cast<size_t>(settings.number("server.shards"));
  options.max_connections = static_cast<size_t>(settings.number("server.max_connections"));
  options.drain = std::chrono::milliseconds(settings.number("server.drain_ms"));
  options.log_level = static_cast<log::Level>(settings.number("log.level"));
  options.log_format = static_cast<log::Format>(settings.number("log.format"));
  return options;
}

}  // namespace millrace::server
