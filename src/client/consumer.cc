#include "client/consumer.h"

#include "client/handle.h"

#include <future>
#include <set>
#include <span>
#include <thread>

namespace millrace::client {
namespace {

constexpr int kWatermarksMs = 3000;
constexpr auto kMostLeave = std::chrono::seconds(2);

struct ListDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};

struct MessageDeleter {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};

int64_t place_of(const StartAt& start) {
  switch (start.kind) {
    case StartAt::Kind::kEarliest:
      return RD_KAFKA_OFFSET_BEGINNING;
    case StartAt::Kind::kLatest:
      return RD_KAFKA_OFFSET_END;
    default:
      return start.value;
  }
}

/// Offsets instead of the times in the list; of the first record and the end, too. Left to it,
/// librdkafka 2.0 now and then asks for these before it knows whom, and again after half a second.
Status find_offsets(rd_kafka_t* handle, rd_kafka_topic_partition_list_t& list,
                    std::chrono::milliseconds timeout) {
  if (const auto code =
          rd_kafka_offsets_for_times(handle, &list, static_cast<int>(timeout.count()));
      code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return error_of(code, "offsets to begin at");
  }
  for (const auto& asked : std::span(list.elems, static_cast<size_t>(list.cnt))) {
    if (asked.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return error_of(asked.err, fmt::format("offset to begin at in {} partition {}", asked.topic,
                                             asked.partition));
    }
  }
  return {};
}

std::optional<std::string_view> text_of(const void* bytes, size_t size) {
  return bytes == nullptr ? std::nullopt
                          : std::optional(std::string_view(static_cast<const char*>(bytes), size));
}

ConsumedRecord record_of(const rd_kafka_message_t& message) {
  ConsumedRecord record;
  record.partition = message.partition;
  record.offset = message.offset;
  rd_kafka_timestamp_type_t type{};
  record.timestamp_ms = rd_kafka_message_timestamp(&message, &type);
  record.key = text_of(message.key, message.key_len);
  record.value = text_of(message.payload, message.len);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    for (size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      record.headers.emplace_back(name, text_of(value, size));
    }
  }
  return record;
}

}  // namespace

/// Ends a consumer that has joined no group. librdkafka 2.0 waits for ever when a topic that was
/// read has been deleted: it is then left to the end of the process.
struct Leave {
  void operator()(rd_kafka_t* handle) const {
    std::promise<void> done;
    const auto ended = done.get_future();
    std::thread([handle, done = std::move(done)]() mutable {
      rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
      done.set_value();
    }).detach();
    ended.wait_for(kMostLeave);
  }
};

struct Consumer::Impl {
  std::unique_ptr<rd_kafka_t, Leave> handle;
  KnownTopic known;
  std::string topic;
  size_t partitions = 0;
  std::set<int32_t> at_end;
  std::set<int32_t> damaged;
  Status damage;  // of the first
  StartAt start;

  /// The others are read on.
  void leave(const rd_kafka_message_t& message) {
    const std::unique_ptr<rd_kafka_topic_partition_list_t, ListDeleter> list(
        rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), message.partition);
    rd_kafka_pause_partitions(handle.get(), list.get());
    damaged.insert(message.partition);
    damage = damage.ok() ? Status(failed(message)) : std::move(damage);
  }

  Error failed(const rd_kafka_message_t& message) const {
    std::string where = "consume " + topic;
    if (message.partition >= 0) {
      where += fmt::format(" partition {}", message.partition);
    }
    if (message.offset >= 0) {
      where += fmt::format(" from offset {} on", message.offset);
    }
    Error error = error_of(message.err, where, rd_kafka_message_errstr(&message));
    if (message.err == RD_KAFKA_RESP_ERR_INVALID_MSG) {
      error.message += fmt::format(
          "; what is damaged there, and where it can be read on from, says millrace verify {}; "
          "then: "
          "millrace consume {} -p {} -o OFFSET",
          topic, topic, message.partition);
    }
    return error;
  }

  /// Which offsets there are instead.
  Error out_of_range(int32_t partition) const {
    int64_t first = 0;
    int64_t next = 0;
    const auto code = rd_kafka_query_watermark_offsets(handle.get(), topic.c_str(), partition,
                                                       &first, &next, kWatermarksMs);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return error_of(code, fmt::format("offsets of {} partition {}", topic, partition));
    }
    return make_error(
        Code::kNotFound, "{} partition {}: {} out of range, {}", topic, partition,
        start.kind == StartAt::Kind::kOffset ? fmt::format("offset {} is", start.value)
                                             : std::string("the next offset is"),
        first == next ? fmt::format("there are no records; the next offset is {}", next)
                      : fmt::format("offsets are {} to {}", first, next - 1));
  }
};

Consumer::Consumer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Consumer::~Consumer() = default;

Result<std::unique_ptr<Consumer>> Consumer::open(const std::string& servers,
                                                 const std::string& topic,
                                                 const std::vector<int32_t>& partitions,
                                                 const StartAt& start,
                                                 std::chrono::milliseconds timeout) {
  auto impl = std::make_unique<Impl>();
  MILLRACE_TRY(auto handle,
               make_handle(RD_KAFKA_CONSUMER, servers,
                           {{"group.id", "millrace-cli"},  // required, never used: we assign
                            {"enable.auto.commit", "false"},
                            {"enable.partition.eof", "true"},
                            {"auto.offset.reset", "error"},
                            {"allow.auto.create.topics", "false"},
                            {"fetch.wait.max.ms", "100"},
                            {"queued.min.messages", "1000000"}}));  // 64 MiB at most come first
  impl->handle.reset(handle.release());
  impl->topic = topic;
  impl->start = start;
  impl->partitions = partitions.size();
  MILLRACE_TRY(impl->known, know_topic(impl->handle.get(), topic, timeout, "consume " + topic));
  const std::unique_ptr<rd_kafka_topic_partition_list_t, ListDeleter> list(
      rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const int32_t partition : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset =
        place_of(start);
  }
  if (start.kind != StartAt::Kind::kOffset) {
    MILLRACE_TRY_STATUS(find_offsets(impl->handle.get(), *list, timeout));
  }
  if (const auto code = rd_kafka_assign(impl->handle.get(), list.get());
      code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return error_of(code, "assign");
  }
  return std::unique_ptr<Consumer>(new Consumer(std::move(impl)));
}

Result<bool> Consumer::poll(std::chrono::milliseconds wait,
                            const std::function<void(const ConsumedRecord&)>& visit) {
  const std::unique_ptr<rd_kafka_message_t, MessageDeleter> message(
      rd_kafka_consumer_poll(impl_->handle.get(), static_cast<int>(wait.count())));
  if (!message) {
    return false;
  }
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    impl_->at_end.insert(message->partition);
    return false;
  }
  if (message->err == RD_KAFKA_RESP_ERR__TRANSPORT || message->err == RD_KAFKA_RESP_ERR__RESOLVE ||
      message->err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    return false;  // librdkafka connects again by itself
  }
  if (message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE ||
      message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
    return impl_->out_of_range(message->partition);
  }
  if (message->err == RD_KAFKA_RESP_ERR_INVALID_MSG) {
    impl_->leave(*message);
    return false;
  }
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return impl_->failed(*message);
  }
  impl_->at_end.erase(message->partition);
  visit(record_of(*message));
  return true;
}

bool Consumer::is_at_end() const {
  std::set<int32_t> done = impl_->at_end;
  done.insert(impl_->damaged.begin(), impl_->damaged.end());
  return done.size() == impl_->partitions;
}

const Status& Consumer::damage() const {
  return impl_->damage;
}

}  // namespace millrace::client
