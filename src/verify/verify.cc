#include "verify/verify.h"

#include "kafka/protocol/messages.h"
#include "verify/connection.h"

#include <algorithm>
#include <optional>
#include <thread>

namespace millrace::verify {
namespace {

using kafka::ErrorCode;
using Answer = kafka::FetchResponse::Topic::Partition;

// Without compact fields and topic ids: every server of these years speaks them.
constexpr int16_t kFetchVersion = 11;
constexpr int16_t kListOffsetsVersion = 3;
constexpr int64_t kEarliest = -2;
constexpr int64_t kLatest = -1;
constexpr int32_t kAtOnce = 8 << 20;  // bytes of an answer; its first batch comes whole
constexpr int32_t kProbe = 1;         // only that first batch
constexpr int32_t kWaitMs = 500;
constexpr int kAttempts = 3;  // at an offset that is not served: it may be for the moment

std::string text_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kCorruptMessage:
      return "CORRUPT_MESSAGE";
    case ErrorCode::kKafkaStorageError:
      return "KAFKA_STORAGE_ERROR";
    case ErrorCode::kNotLeaderOrFollower:
      return "NOT_LEADER_OR_FOLLOWER";
    default:
      return fmt::format("error {}", static_cast<int>(code));
  }
}

/// What is wrong with the offset asked for, and not with the request or the topic.
bool is_of_the_offset(ErrorCode code) {
  return code == ErrorCode::kCorruptMessage || code == ErrorCode::kKafkaStorageError ||
         code == ErrorCode::kUnknownServerError || code == ErrorCode::kRequestTimedOut;
}

/// An answer of a fetch, or why its bytes cannot be taken.
struct Given {
  ErrorCode code = ErrorCode::kNone;
  Offset start;  // of the partition, as of now
  bool has_taken = false;
  std::optional<Error> refused;  // what came is no batch
};

class TopicCheck {
 public:
  TopicCheck(const VerifyOptions& options, Connection connection)
      : options_(options), connection_(std::move(connection)) {}

  Result<TopicReport> run() {
    TopicReport report;
    report.topic = options_.topic;
    MILLRACE_TRY(const auto starts, list_offsets(kEarliest));
    MILLRACE_TRY(const auto ends, list_offsets(kLatest));
    for (size_t i = 0; i < options_.partitions.size(); ++i) {
      const Offset end = std::max(starts[i], ends[i]);  // retention may have moved the start
      report.partitions.push_back(
          {.partition = options_.partitions[i], .start = starts[i], .end = end});
      total_ += static_cast<uint64_t>(end - starts[i]);
    }
    for (PartitionReport& partition : report.partitions) {
      MILLRACE_TRY_STATUS(check(partition));
    }
    return report;
  }

 private:
  Result<std::vector<Offset>> list_offsets(int64_t timestamp) {
    kafka::ListOffsetsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = options_.topic;
    for (const int32_t partition : options_.partitions) {
      auto& asked = topic.partitions.emplace_back();
      asked.partition_index = PartitionId{partition};
      asked.timestamp = timestamp;
    }
    MILLRACE_TRY(const auto response, connection_.call<kafka::ListOffsetsResponse>(
                                          kListOffsetsVersion, request, options_.stop));
    if (response.topics.size() != 1 ||
        response.topics[0].partitions.size() != options_.partitions.size()) {
      return make_error(Code::kCorrupt, "{}: an answer about other partitions than asked for",
                        options_.server.to_string());
    }
    std::vector<Offset> offsets(options_.partitions.size());
    for (const auto& answer : response.topics[0].partitions) {
      const auto at = std::ranges::find(options_.partitions, answer.partition_index.value);
      if (answer.error_code != ErrorCode::kNone || at == options_.partitions.end()) {
        return refusal(answer.error_code, answer.partition_index.value);
      }
      offsets[static_cast<size_t>(at - options_.partitions.begin())] = answer.offset;
    }
    return offsets;
  }

  Error refusal(ErrorCode code, int32_t partition) const {
    const bool is_gone = code == ErrorCode::kUnknownTopicOrPartition;
    return make_error(is_gone ? Code::kNotFound : Code::kForbidden, "{} partition {}: {}",
                      options_.topic, partition,
                      is_gone ? "not there, or no longer" : "the server says " + text_of(code));
  }

  Result<Answer> fetch(int32_t partition, Offset from, int32_t bytes) {
    kafka::FetchRequest request;
    request.max_wait_ms = kWaitMs;
    request.min_bytes = 1;
    request.max_bytes = bytes;
    auto& topic = request.topics.emplace_back();
    topic.topic = options_.topic;
    auto& asked = topic.partitions.emplace_back();
    asked.partition = PartitionId{partition};
    asked.fetch_offset = from;
    asked.partition_max_bytes = bytes;
    MILLRACE_TRY(auto response,
                 connection_.call<kafka::FetchResponse>(kFetchVersion, request, options_.stop));
    if (response.error_code != ErrorCode::kNone) {
      return refusal(response.error_code, partition);
    }
    if (response.responses.size() != 1 || response.responses[0].partitions.size() != 1) {
      return make_error(Code::kCorrupt, "{}: an answer about other partitions than asked for",
                        options_.server.to_string());
    }
    return std::move(response.responses[0].partitions[0]);
  }

  static bytes::Buffer records_of(const Answer& answer) {
    const bool has_any = answer.records && !answer.records->parts.empty();
    return has_any ? answer.records->parts[0] : bytes::Buffer();
  }

  Result<Given> read(PartitionReport& report, PartitionCheck& check) {
    MILLRACE_TRY(const Answer answer, fetch(report.partition, check.next(), kAtOnce));
    Given given{.code = answer.error_code, .start = answer.log_start_offset};
    if (given.code == ErrorCode::kNone) {
      auto taken = check.take(records_of(answer));
      given.has_taken = taken.ok() && *taken;
      if (!taken.ok()) {
        given.refused = std::move(taken).error();
      }
    }
    return given;
  }

  Status check(PartitionReport& report) {
    PartitionCheck check(report.start, report.end);
    auto give_up = runtime::Deadline::after(options_.timeout);
    int failures = 0;
    while (!check.is_done()) {
      MILLRACE_TRY(const Given given, read(report, check));
      if (given.has_taken) {
        failures = 0;
        give_up = runtime::Deadline::after(options_.timeout);
      } else if (given.code == ErrorCode::kOffsetOutOfRange && given.start > check.next()) {
        expire(report, check, given.start);
      } else if (given.refused || is_of_the_offset(given.code)) {
        if (!given.refused && ++failures < kAttempts) {
          std::this_thread::sleep_for(std::chrono::milliseconds(kWaitMs));
          continue;
        }
        MILLRACE_TRY_STATUS(pass_unreadable(
            report, check, given.refused ? given.refused->message : text_of(given.code)));
        failures = 0;
      } else if (given.code != ErrorCode::kNone && given.code != ErrorCode::kOffsetOutOfRange) {
        return refusal(given.code, report.partition);
      } else if (given.code == ErrorCode::kOffsetOutOfRange || give_up.has_passed()) {
        check.fault(check.next(),
                    fmt::format("nothing is given from here on, and the end was {}", report.end));
        check.pass_to(report.end);
      }
      show(report, check);
    }
    done_ += static_cast<uint64_t>(report.end - report.start);
    report.sums = check.sums();
    report.faults = check.faults();
    report.fault_count = check.fault_count();
    return {};
  }

  static void expire(PartitionReport& report, PartitionCheck& check, Offset start) {
    report.expired.push_back({check.next(), std::min(start, report.end)});
    check.pass_to(std::min(start, report.end));
  }

  /// Looks for an offset behind check.next() from which on batches are given again, by few
  /// requests: twice as far each time, then back by halves.
  Status pass_unreadable(const PartitionReport& report, PartitionCheck& check,
                         const std::string& why) {
    const Offset first = check.next();
    int64_t bad = 0;  // the greatest distance known to be so
    int64_t good = 1;
    const int64_t end = report.end - first;
    while (good < end) {
      MILLRACE_TRY(const bool is_given, is_readable(report, first + good));
      if (is_given) {
        break;
      }
      bad = good;
      good = std::min(end, good * 2);
    }
    while (good - bad > 1) {
      const int64_t middle = bad + (good - bad) / 2;
      MILLRACE_TRY(const bool is_given, is_readable(report, first + middle));
      (is_given ? good : bad) = middle;
    }
    const Offset next = first + good;
    check.fault(first, good >= end
                           ? fmt::format("cannot be read, nor what is behind it: {}", why)
                           : fmt::format("cannot be read: {}; the next that can is {}", why, next));
    check.pass_to(next);
    return {};
  }

  Result<bool> is_readable(const PartitionReport& report, Offset offset) {
    MILLRACE_TRY(const Answer answer, fetch(report.partition, offset, kProbe));
    if (answer.error_code != ErrorCode::kNone) {
      if (answer.error_code == ErrorCode::kOffsetOutOfRange) {
        return true;  // it is read as what it then is
      }
      return is_of_the_offset(answer.error_code)
                 ? Result(false)
                 : Result<bool>(refusal(answer.error_code, report.partition));
    }
    PartitionCheck scratch(offset, offset + 1);
    const auto taken = scratch.take(records_of(answer));
    return taken.ok() && *taken;
  }

  void show(const PartitionReport& report, const PartitionCheck& check) const {
    if (options_.progress) {
      options_.progress(done_ + static_cast<uint64_t>(check.next() - report.start), total_);
    }
  }

  const VerifyOptions& options_;
  Connection connection_;
  uint64_t done_ = 0;  // offsets of whole partitions
  uint64_t total_ = 0;
};

}  // namespace

uint64_t TopicReport::fault_count() const {
  uint64_t count = 0;
  for (const PartitionReport& partition : partitions) {
    count += partition.fault_count;
  }
  return count;
}

Result<TopicReport> verify_topic(const VerifyOptions& options) {
  MILLRACE_TRY(auto connection, Connection::open(options.server, options.timeout));
  return TopicCheck(options, std::move(connection)).run();
}

}  // namespace millrace::verify
