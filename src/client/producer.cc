#include "client/producer.h"

#include "base/mutex.h"
#include "client/handle.h"

#include <array>

namespace millrace::client {
namespace {

constexpr int kPollMs = 100;
constexpr int kProbeMs = 3000;

struct Deliveries {
  uint64_t delivered = 0;
  uint64_t failed = 0;
  std::optional<rd_kafka_resp_err_t> first_failure;
  bool keep_latencies = false;
  std::vector<int64_t> latencies_us;
};

void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& deliveries = *static_cast<Deliveries*>(opaque);
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++deliveries.delivered;
    if (deliveries.keep_latencies) {
      deliveries.latencies_us.push_back(rd_kafka_message_latency(message));
    }
    return;
  }
  ++deliveries.failed;
  if (!deliveries.first_failure) {
    // Not rd_kafka_message_errstr(): of a produced message, that is its value.
    deliveries.first_failure = message->err;
  }
}

/// Tells that the library has answers; its own waiting knows milliseconds only.
struct Answers {
  Mutex mutex;
  Condition changed;
  bool are_there MILLRACE_GUARDED_BY(mutex) = false;

  static void tell(rd_kafka_t*, void* opaque) {
    auto& answers = *static_cast<Answers*>(opaque);
    {
      MutexLock lock(answers.mutex);
      answers.are_there = true;
    }
    answers.changed.notify_one();
  }

  void wait_for(std::chrono::nanoseconds wait) {
    MutexLock lock(mutex);
    if (!are_there) {
      changed.wait_for(mutex, wait);
    }
    are_there = false;
  }
};

}  // namespace

struct Producer::Impl {
  std::string topic;
  Deliveries deliveries;
  Answers answers;
  Handle handle;
  KnownTopic known;  // holds what prepare() learned

  std::function<bool()> keep_waiting;
  std::chrono::milliseconds delivery_timeout{0};
  std::optional<Error> error;  // of the first delivery that failed, once it was asked for

  Status first_error() {
    if (deliveries.first_failure && !error) {
      error = explain(*deliveries.first_failure);
    }
    return error ? Status(*error) : Status{};
  }

  Error explain(rd_kafka_resp_err_t failure) const {
    const std::string what = "produce to " + topic;
    if (failure == RD_KAFKA_RESP_ERR_POLICY_VIOLATION) {
      return make_error(
          Code::kForbidden,
          "{}: this is the topic of a table, which takes rows by HTTP: POST /write or "
          "/api/v1/write/msgpack",
          what);
    }
    if (failure == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) {
      return make_error(Code::kNotFound,
                        "{}: the topic has no such partition; those it has: millrace topic "
                        "describe {}",
                        what, topic);
    }
    if (failure == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
      return make_error(Code::kForbidden,
                        "{}: a record is larger than the topic takes (its max.message.bytes)",
                        what);
    }
    if (failure != RD_KAFKA_RESP_ERR__MSG_TIMED_OUT) {
      return error_of(failure, what);
    }
    // The library tries again whatever the server cannot take at the moment, and does not say why.
    const struct rd_kafka_metadata* raw = nullptr;
    const auto answered = rd_kafka_metadata(handle.get(), 0, nullptr, &raw, kProbeMs);
    if (answered != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return error_of(answered, what);
    }
    rd_kafka_metadata_destroy(raw);
    return make_error(
        Code::kOverloaded,
        "{}: the server answers, but acknowledged nothing for {} s; its journal may be "
        "at its budget (journal.max_bytes), its disk full, or the bucket of a "
        "durability=object topic away: see its log and /metrics",
        what, std::chrono::ceil<std::chrono::seconds>(delivery_timeout).count());
  }

  Status wait() const {
    return keep_waiting && !keep_waiting() ? Status(make_error(Code::kCancelled, "interrupted"))
                                           : Status{};
  }

  /// One record into the queue, which takes `headers` over when this ends well. Waits while the
  /// queue is full.
  Status enqueue(const ProducedRecord& record, rd_kafka_headers_t* headers);
};

Producer::Producer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Producer::~Producer() = default;

Result<std::unique_ptr<Producer>> Producer::open(const ProducerOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->topic = options.topic;
  impl->keep_waiting = options.keep_waiting;
  impl->delivery_timeout = options.delivery_timeout;
  impl->deliveries.keep_latencies = options.keep_latencies;
  std::array<char, 512> reason{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set_log_cb(conf, nullptr);
  rd_kafka_conf_set_opaque(conf, &impl->deliveries);
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  const std::pair<const char*, std::string> settings[] = {
      {"bootstrap.servers", options.servers},
      {"compression.type", options.compression},
      {"acks", std::to_string(options.acks)},
      {"linger.ms", std::to_string(options.linger.count())},
      {"retries", options.has_retries ? "2147483647" : "0"},
      {"delivery.timeout.ms", std::to_string(options.delivery_timeout.count())},
      {"batch.size", std::to_string(options.batch_bytes)},
      {"message.max.bytes", "33554432"},  // the topic's own limit decides
  };
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), reason.data(), reason.size()) !=
        RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      return make_error(Code::kInvalid, "{}", reason.data());
    }
  }
  impl->handle.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason.data(), reason.size()));
  if (!impl->handle) {
    rd_kafka_conf_destroy(conf);
    return make_error(Code::kInvalid, "{}", reason.data());
  }
  rd_kafka_queue_t* queue = rd_kafka_queue_get_main(impl->handle.get());
  rd_kafka_queue_cb_event_enable(queue, Answers::tell, &impl->answers);
  rd_kafka_queue_destroy(queue);  // this hold of it
  return std::unique_ptr<Producer>(new Producer(std::move(impl)));
}

Status Producer::prepare(std::chrono::milliseconds timeout) {
  MILLRACE_TRY(impl_->known, know_topic(impl_->handle.get(), impl_->topic, timeout,
                                        "produce to " + impl_->topic));
  return {};
}

Status Producer::Impl::enqueue(const ProducedRecord& record, rd_kafka_headers_t* headers) {
  const auto bytes_of = [](const std::optional<std::string_view>& text) {
    return text ? const_cast<char*>(text->data()) : nullptr;
  };
  const auto size_of = [](const std::optional<std::string_view>& text) {
    return text ? text->size() : 0;
  };
  while (true) {
    const auto code =
        rd_kafka_producev(handle.get(), RD_KAFKA_V_TOPIC(topic.c_str()),
                          RD_KAFKA_V_PARTITION(record.partition.value_or(RD_KAFKA_PARTITION_UA)),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_KEY(bytes_of(record.key), size_of(record.key)),
                          RD_KAFKA_V_VALUE(bytes_of(record.value), size_of(record.value)),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      return {};
    }
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      return explain(code);
    }
    rd_kafka_poll(handle.get(), kPollMs);  // waits for deliveries, which make room
    MILLRACE_TRY_STATUS(first_error());
    MILLRACE_TRY_STATUS(wait());
  }
}

Status Producer::send(const ProducedRecord& record) {
  rd_kafka_headers_t* headers = nullptr;
  if (!record.headers.empty()) {
    headers = rd_kafka_headers_new(record.headers.size());
    for (const auto& [name, value] : record.headers) {
      rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                          static_cast<ssize_t>(value.size()));
    }
  }
  if (Status queued = impl_->enqueue(record, headers); !queued.ok()) {
    if (headers != nullptr) {
      rd_kafka_headers_destroy(headers);
    }
    return queued;
  }
  rd_kafka_poll(impl_->handle.get(), 0);
  return impl_->first_error();
}

void Producer::serve(std::chrono::nanoseconds wait) {
  if (rd_kafka_poll(impl_->handle.get(), 0) == 0 && wait > wait.zero()) {
    impl_->answers.wait_for(wait);
    rd_kafka_poll(impl_->handle.get(), 0);
  }
}

Status Producer::flush(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const auto code = rd_kafka_flush(impl_->handle.get(), kPollMs);
    MILLRACE_TRY_STATUS(impl_->first_error());
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      return {};
    }
    if (std::chrono::steady_clock::now() > deadline) {
      return error_of(code, "flush");
    }
    MILLRACE_TRY_STATUS(impl_->wait());
  }
}

void Producer::abandon(std::chrono::milliseconds wait) {
  rd_kafka_flush(impl_->handle.get(), static_cast<int>(wait.count()));
  rd_kafka_purge(impl_->handle.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_flush(impl_->handle.get(), kProbeMs);  // the purge is reported record by record
}

std::vector<int64_t> Producer::take_latencies_us() {
  return std::exchange(impl_->deliveries.latencies_us, {});
}

uint64_t Producer::delivered() const {
  return impl_->deliveries.delivered;
}

uint64_t Producer::failed() const {
  return impl_->deliveries.failed;
}

}  // namespace millrace::client
