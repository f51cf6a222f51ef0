#include "client/producer.h"

#include "client/handle.h"

#include <array>

namespace millrace::client {
namespace {

constexpr int kPollMs = 100;

struct Deliveries {
  uint64_t delivered = 0;
  uint64_t failed = 0;
  std::optional<Error> first_error;
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
  if (!deliveries.first_error) {
    // Not rd_kafka_message_errstr(): of a produced message, that is its value.
    const std::string topic = rd_kafka_topic_name(message->rkt);
    deliveries.first_error = error_of(message->err, "produce to " + topic);
  }
}

}  // namespace

struct Producer::Impl {
  std::string topic;
  Deliveries deliveries;
  Handle handle;

  Status first_error() const {
    return deliveries.first_error ? Status(*deliveries.first_error) : Status{};
  }
};

Producer::Producer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Producer::~Producer() = default;

Result<std::unique_ptr<Producer>> Producer::open(const ProducerOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->topic = options.topic;
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
  return std::unique_ptr<Producer>(new Producer(std::move(impl)));
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
  const auto bytes_of = [](const std::optional<std::string_view>& text) {
    return text ? const_cast<char*>(text->data()) : nullptr;
  };
  const auto size_of = [](const std::optional<std::string_view>& text) {
    return text ? text->size() : 0;
  };
  while (true) {
    const auto code =
        rd_kafka_producev(impl_->handle.get(), RD_KAFKA_V_TOPIC(impl_->topic.c_str()),
                          RD_KAFKA_V_PARTITION(record.partition.value_or(RD_KAFKA_PARTITION_UA)),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_KEY(bytes_of(record.key), size_of(record.key)),
                          RD_KAFKA_V_VALUE(bytes_of(record.value), size_of(record.value)),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      rd_kafka_poll(impl_->handle.get(), 0);
      return impl_->first_error();
    }
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      if (headers != nullptr) {
        rd_kafka_headers_destroy(headers);
      }
      return error_of(code, "produce");
    }
    rd_kafka_poll(impl_->handle.get(), kPollMs);  // waits for deliveries, which make room
    if (auto failed = impl_->first_error(); !failed.ok()) {
      if (headers != nullptr) {
        rd_kafka_headers_destroy(headers);
      }
      return failed;
    }
  }
}

void Producer::serve(std::chrono::milliseconds wait) {
  rd_kafka_poll(impl_->handle.get(), static_cast<int>(wait.count()));
}

Status Producer::flush(std::chrono::milliseconds timeout) {
  const auto code = rd_kafka_flush(impl_->handle.get(), static_cast<int>(timeout.count()));
  MILLRACE_TRY_STATUS(impl_->first_error());
  return code == RD_KAFKA_RESP_ERR_NO_ERROR ? Status{} : error_of(code, "flush");
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
