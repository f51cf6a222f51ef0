#include "client/handle.h"

#include <array>

namespace millrace::client {

Error error_of(rd_kafka_resp_err_t code, std::string_view what, std::string_view detail) {
  const std::string_view reason = [&]() -> std::string_view {
    switch (code) {
      case RD_KAFKA_RESP_ERR__TRANSPORT:
      case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
      case RD_KAFKA_RESP_ERR__TIMED_OUT:
        return "nobody answers by the Kafka protocol";  // the library has a text for each place
      default:
        return detail.empty() ? std::string_view(rd_kafka_err2str(code)) : detail;
    }
  }();
  const Code ours = [&] {
    switch (code) {
      case RD_KAFKA_RESP_ERR__TRANSPORT:
      case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
      case RD_KAFKA_RESP_ERR__TIMED_OUT:
      case RD_KAFKA_RESP_ERR__RESOLVE:
        return Code::kTimeout;
      case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return Code::kNotFound;
      case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
        return Code::kConflict;
      case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
      case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        return Code::kOutcomeUnknown;
      case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        return Code::kNotFound;
      case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
        return Code::kIo;
      default:
        return Code::kForbidden;  // the server refused it, and says why
    }
  }();
  return make_error(ours, "{}: {}", what, reason);
}

namespace {

void on_error(rd_kafka_t* /*handle*/, int code, const char* /*reason*/, void* is_down) {
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    *static_cast<bool*>(is_down) = true;
  }
}

}  // namespace

Result<Handle> make_handle(rd_kafka_type_t type, const std::string& servers,
                           std::initializer_list<std::pair<const char*, std::string>> settings,
                           bool* is_down) {
  std::array<char, 512> reason{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set_log_cb(conf, nullptr);
  if (is_down != nullptr) {
    rd_kafka_conf_set_opaque(conf, is_down);
    rd_kafka_conf_set_error_cb(conf, on_error);
  }
  bool is_set = rd_kafka_conf_set(conf, "bootstrap.servers", servers.c_str(), reason.data(),
                                  reason.size()) == RD_KAFKA_CONF_OK;
  for (const auto& [name, value] : settings) {
    is_set = is_set && rd_kafka_conf_set(conf, name, value.c_str(), reason.data(), reason.size()) ==
                           RD_KAFKA_CONF_OK;
  }
  rd_kafka_t* handle = is_set ? rd_kafka_new(type, conf, reason.data(), reason.size()) : nullptr;
  if (handle == nullptr) {
    rd_kafka_conf_destroy(conf);
    return make_error(Code::kInvalid, "{}", reason.data());
  }
  return Handle(handle);
}

Result<KnownTopic> know_topic(rd_kafka_t* handle, const std::string& topic,
                              std::chrono::milliseconds timeout, const std::string& what) {
  KnownTopic known(rd_kafka_topic_new(handle, topic.c_str(), nullptr));
  const struct rd_kafka_metadata* raw = nullptr;
  const auto answered =
      rd_kafka_metadata(handle, 0, known.get(), &raw, static_cast<int>(timeout.count()));
  if (answered != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return error_of(answered, what);
  }
  const auto of_topic = raw->topic_cnt == 1 ? raw->topics[0].err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
  rd_kafka_metadata_destroy(raw);
  if (of_topic != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return error_of(of_topic, what);
  }
  return known;
}

}  // namespace millrace::client
