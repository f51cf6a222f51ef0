// What the wrappers of librdkafka share. Not for use outside this folder.
#pragma once

#include "base/result.h"

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

namespace millrace::client {

struct HandleDeleter {
  void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
};

using Handle = std::unique_ptr<rd_kafka_t, HandleDeleter>;

/// Our error for one of librdkafka's: `what` says what was tried.
Error error_of(rd_kafka_resp_err_t code, std::string_view what, std::string_view detail = {});

/// A producer or consumer that logs nothing by itself. Errors: kInvalid (a setting it does not
/// take). `is_down` is set, by rd_kafka_poll(), once no server of the list can be reached; it
/// outlives the handle.
Result<Handle> make_handle(rd_kafka_type_t type, const std::string& servers,
                           std::initializer_list<std::pair<const char*, std::string>> settings,
                           bool* is_down = nullptr);

struct TopicDeleter {
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
};

/// What a handle knows of a topic, while this lives; destroyed before the handle.
using KnownTopic = std::unique_ptr<rd_kafka_topic_t, TopicDeleter>;

/// Waits until the topic's partitions are known. Who needs them before has the library ask, and
/// look at the answer up to a second later. Errors: kTimeout (nobody answers), kNotFound (no such
/// topic), kIo; `what` says what was tried.
Result<KnownTopic> know_topic(rd_kafka_t* handle, const std::string& topic,
                              std::chrono::milliseconds timeout, const std::string& what);

}  // namespace millrace::client
