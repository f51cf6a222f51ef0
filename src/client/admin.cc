#include "client/admin.h"

#include "client/handle.h"

#include <algorithm>
#include <array>

namespace millrace::client {
namespace {

template <auto kDestroy>
struct Destroy {
  template <typename T>
  void operator()(T* object) const {
    kDestroy(object);
  }
};

using Queue = std::unique_ptr<rd_kafka_queue_t, Destroy<rd_kafka_queue_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, Destroy<rd_kafka_event_destroy>>;
using Options = std::unique_ptr<rd_kafka_AdminOptions_t, Destroy<rd_kafka_AdminOptions_destroy>>;
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, Destroy<rd_kafka_NewTopic_destroy>>;
using DeleteTopic = std::unique_ptr<rd_kafka_DeleteTopic_t, Destroy<rd_kafka_DeleteTopic_destroy>>;
using Partitions = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                   Destroy<rd_kafka_topic_partition_list_destroy>>;
using DeleteRecords =
    std::unique_ptr<rd_kafka_DeleteRecords_t, Destroy<rd_kafka_DeleteRecords_destroy>>;
using Metadata =
    std::unique_ptr<const struct rd_kafka_metadata, Destroy<rd_kafka_metadata_destroy>>;

constexpr int kFirstWaitMs = 250;

Status status_of(const rd_kafka_topic_result_t* const* results, size_t count,
                 const std::string& what) {
  for (size_t i = 0; i < count; ++i) {
    if (const auto code = rd_kafka_topic_result_error(results[i]);
        code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      const char* detail = rd_kafka_topic_result_error_string(results[i]);
      return error_of(code, what, detail != nullptr ? detail : "");
    }
  }
  return {};
}

/// The protocol has none of its own.
const char* why_not_deleted(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return "it is the log of a table, whose rows go with the table alone";
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      return "the partition ends before that offset";
    default:
      return "";
  }
}

}  // namespace

struct Admin::Impl {
  bool is_down = false;
  Handle handle;
  int timeout_ms = 0;

  Options options(rd_kafka_admin_op_t operation) const {
    Options made(rd_kafka_AdminOptions_new(handle.get(), operation));
    std::array<char, 256> reason{};
    rd_kafka_AdminOptions_set_request_timeout(made.get(), timeout_ms, reason.data(), reason.size());
    return made;
  }

  Result<Event> wait(const Queue& queue, const std::string& what) const {
    Event event(rd_kafka_queue_poll(queue.get(), timeout_ms + 1000));
    if (!event) {
      return make_error(Code::kTimeout, "{}: no answer", what);
    }
    if (const auto code = rd_kafka_event_error(event.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return error_of(code, what, rd_kafka_event_error_string(event.get()));
    }
    return event;
  }

  /// Asks again after longer and longer waits, between which it learns that nobody is there.
  Result<Metadata> metadata() const {
    int left_ms = timeout_ms;
    for (int wait_ms = kFirstWaitMs;; wait_ms *= 2) {
      const struct rd_kafka_metadata* raw = nullptr;
      const auto code =
          rd_kafka_metadata(handle.get(), 1, nullptr, &raw, std::min(wait_ms, left_ms));
      if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return Metadata(raw);
      }
      rd_kafka_poll(handle.get(), 0);
      left_ms -= wait_ms;
      const bool is_silent =
          code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT;
      // A name may have several addresses, of which the first to be tried need not be the one.
      const bool is_nobody_there = is_down && wait_ms > kFirstWaitMs;
      if (!is_silent || is_nobody_there || left_ms <= 0) {
        return error_of(code, "list topics");
      }
    }
  }
};

Admin::Admin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Admin::~Admin() = default;

Result<std::unique_ptr<Admin>> Admin::connect(const std::string& servers,
                                              std::chrono::milliseconds timeout) {
  auto impl = std::make_unique<Impl>();
  MILLRACE_TRY(impl->handle, make_handle(RD_KAFKA_PRODUCER, servers, {}, &impl->is_down));
  impl->timeout_ms = static_cast<int>(timeout.count());
  MILLRACE_TRY_STATUS(impl->metadata());
  return std::unique_ptr<Admin>(new Admin(std::move(impl)));
}

Status Admin::create_topic(const std::string& name, int partitions,
                           const std::map<std::string, std::string>& configs) {
  std::array<char, 256> reason{};
  const NewTopic topic(
      rd_kafka_NewTopic_new(name.c_str(), partitions, 1, reason.data(), reason.size()));
  if (!topic) {
    return make_error(Code::kInvalid, "topic {}: {}", name, reason.data());
  }
  for (const auto& [key, value] : configs) {
    rd_kafka_NewTopic_set_config(topic.get(), key.c_str(), value.c_str());
  }
  const Queue queue(rd_kafka_queue_new(impl_->handle.get()));
  rd_kafka_NewTopic_t* topics[] = {topic.get()};
  const auto options = impl_->options(RD_KAFKA_ADMIN_OP_CREATETOPICS);
  rd_kafka_CreateTopics(impl_->handle.get(), topics, 1, options.get(), queue.get());
  MILLRACE_TRY(const Event event, impl_->wait(queue, "create topic " + name));
  size_t count = 0;
  const auto* results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  return status_of(results, count, "create topic " + name);
}

Status Admin::delete_topic(const std::string& name) {
  const DeleteTopic topic(rd_kafka_DeleteTopic_new(name.c_str()));
  const Queue queue(rd_kafka_queue_new(impl_->handle.get()));
  rd_kafka_DeleteTopic_t* topics[] = {topic.get()};
  const auto options = impl_->options(RD_KAFKA_ADMIN_OP_DELETETOPICS);
  rd_kafka_DeleteTopics(impl_->handle.get(), topics, 1, options.get(), queue.get());
  MILLRACE_TRY(const Event event, impl_->wait(queue, "delete topic " + name));
  size_t count = 0;
  const auto* results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event.get()), &count);
  return status_of(results, count, "delete topic " + name);
}

Result<int64_t> Admin::delete_records(const std::string& name, int32_t partition,
                                      std::optional<int64_t> before) {
  const std::string what = fmt::format("delete records of {} partition {}", name, partition);
  const Partitions offsets(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(offsets.get(), name.c_str(), partition)->offset =
      before.value_or(RD_KAFKA_OFFSET_END);
  const DeleteRecords records(rd_kafka_DeleteRecords_new(offsets.get()));
  const Queue queue(rd_kafka_queue_new(impl_->handle.get()));
  rd_kafka_DeleteRecords_t* all[] = {records.get()};
  const auto options = impl_->options(RD_KAFKA_ADMIN_OP_DELETERECORDS);
  rd_kafka_DeleteRecords(impl_->handle.get(), all, 1, options.get(), queue.get());
  MILLRACE_TRY(const Event event, impl_->wait(queue, what));
  const auto* starts =
      rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event.get()));
  if (starts->cnt != 1) {
    return make_error(Code::kIo, "{}: an answer for {} partitions", what, starts->cnt);
  }
  const auto& start = starts->elems[0];
  if (start.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return error_of(start.err, what, why_not_deleted(start.err));
  }
  return start.offset;
}

Result<std::vector<TopicInfo>> Admin::list_topics() {
  MILLRACE_TRY(const Metadata metadata, impl_->metadata());
  std::vector<TopicInfo> topics;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const auto& topic = metadata->topics[i];
    TopicInfo& info = topics.emplace_back(TopicInfo{topic.topic, {}});
    for (int p = 0; p < topic.partition_cnt; ++p) {
      info.partitions.push_back({topic.partitions[p].id, 0, 0});
    }
  }
  std::sort(topics.begin(), topics.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return topics;
}

Result<TopicInfo> Admin::describe_topic(const std::string& name) {
  MILLRACE_TRY(auto topics, list_topics());
  const auto found = std::find_if(topics.begin(), topics.end(),
                                  [&](const auto& topic) { return topic.name == name; });
  if (found == topics.end()) {
    return make_error(Code::kNotFound, "there is no topic {}", name);
  }
  for (PartitionInfo& partition : found->partitions) {
    const auto code = rd_kafka_query_watermark_offsets(impl_->handle.get(), name.c_str(),
                                                       partition.id, &partition.start_offset,
                                                       &partition.end_offset, impl_->timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return error_of(code, fmt::format("offsets of {} partition {}", name, partition.id));
    }
  }
  return std::move(*found);
}

}  // namespace millrace::client
