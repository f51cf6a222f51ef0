#include "kafka/error_map.h"
#include "kafka/handlers/handlers.h"
#include "runtime/coroutine.h"

#include <set>

namespace millrace::kafka {
namespace {

using Asked = CreateTopicsRequest::Topic;
using Answer = CreateTopicsResponse::Topic;

constexpr size_t kAroundBatch = 4096;       // of a Produce request: names and numbers
constexpr int8_t kTopicConfigSource = 1;    // DYNAMIC_TOPIC_CONFIG of the protocol guide
constexpr int8_t kDefaultConfigSource = 5;  // DEFAULT_CONFIG

void refuse(Answer& answer, ErrorCode code, std::string message) {
  answer.error_code = code;
  answer.error_message = std::move(message);
}

/// Number of partitions asked for, or a refusal in `answer`.
std::optional<int32_t> partitions_of(const Context& context, const Asked& asked, Answer& answer) {
  if (asked.replication_factor != 1 && asked.replication_factor != -1) {
    refuse(answer, ErrorCode::kInvalidReplicationFactor,
           fmt::format("replication factor {}: there is one broker, use 1 or -1",
                       asked.replication_factor));
    return std::nullopt;
  }
  if (asked.assignments.empty()) {
    return asked.num_partitions == -1 ? context.options.default_partitions : asked.num_partitions;
  }
  std::set<int32_t> indexes;
  for (const auto& assignment : asked.assignments) {
    indexes.insert(assignment.partition_index.value);
    if (assignment.broker_ids != std::vector<int32_t>{context.options.node_id}) {
      refuse(answer, ErrorCode::kInvalidReplicaAssignment,
             fmt::format("partition {}: the only broker is {}", assignment.partition_index,
                         context.options.node_id));
      return std::nullopt;
    }
  }
  if (*indexes.begin() != 0 ||
      *indexes.rbegin() + 1 != static_cast<int32_t>(asked.assignments.size())) {
    refuse(answer, ErrorCode::kInvalidReplicaAssignment,
           "partitions must be numbered from 0 without gaps");
    return std::nullopt;
  }
  return static_cast<int32_t>(asked.assignments.size());
}

/// Nobody could produce a larger batch: the request around it would be refused unread, which closes
/// the connection.
Status check_batch_size(const Context& context, const std::map<std::string, std::string>& configs) {
  broker::TopicSettings settings;
  const int64_t most =
      static_cast<int64_t>(context.options.max_frame_bytes) - static_cast<int64_t>(kAroundBatch);
  if (!settings.apply(configs).ok() || settings.max_message_bytes <= most) {
    return {};  // what else is wrong is told by the broker
  }
  return make_error(Code::kInvalid,
                    "max.message.bytes={}: this server takes requests with batches of up to {} "
                    "bytes, a share of its memory.max_bytes",
                    settings.max_message_bytes, most);
}

ErrorCode code_of(const Error& error, int32_t partitions) {
  if (error.code != Code::kInvalid) {
    return error.code == Code::kConflict ? ErrorCode::kTopicAlreadyExists
                                         : error_code_of(error.code);
  }
  return partitions < 1 || partitions > broker::kMaxPartitions ? ErrorCode::kInvalidPartitions
                                                               : ErrorCode::kInvalidConfig;
}

runtime::Task<void> create_one(Context& context, Asked asked, bool validate_only, Answer& answer) {
  answer.name = std::string(asked.name);
  if (const auto legal = broker::validate_topic_name(asked.name); !legal.ok()) {
    co_return refuse(answer, ErrorCode::kInvalidTopicException, legal.error().message);
  }
  const auto partitions = partitions_of(context, asked, answer);
  if (!partitions) {
    co_return;
  }
  broker::NewTopic fresh;
  fresh.name = answer.name;
  fresh.partitions = *partitions;
  for (const auto& config : asked.configs) {
    if (config.value) {
      fresh.configs[std::string(config.name)] = std::string(*config.value);
    }
  }
  if (const Status size = check_batch_size(context, fresh.configs); !size.ok()) {
    co_return refuse(answer, ErrorCode::kInvalidConfig, size.error().message);
  }
  const auto asked_configs = fresh.configs;
  const auto created = co_await context.broker.create(std::move(fresh), validate_only);
  if (!created.ok()) {
    co_return refuse(answer, code_of(created.error(), *partitions), created.error().message);
  }
  answer.topic_id = (*created)->record.id;
  answer.num_partitions = *partitions;
  answer.replication_factor = 1;
  auto& configs = answer.configs.emplace();
  for (const auto& [name, value] : (*created)->record.settings.to_map()) {
    configs.push_back({name, value, false,
                       asked_configs.contains(name) ? kTopicConfigSource : kDefaultConfigSource,
                       false});
  }
}

}  // namespace

runtime::Task<CreateTopicsResponse> create_topics(Context& context,
                                                  const CreateTopicsRequest& request,
                                                  [[maybe_unused]] const Call& call) {
  CreateTopicsResponse response;
  std::map<std::string_view, int> times;
  for (const auto& topic : request.topics) {
    ++times[topic.name];
  }
  response.topics.reserve(request.topics.size());
  for (const auto& topic : request.topics) {
    Answer& answer = response.topics.emplace_back();
    if (times[topic.name] > 1) {
      answer.name = std::string(topic.name);
      refuse(answer, ErrorCode::kInvalidRequest, "named twice in one request");
      continue;
    }
    co_await create_one(context, topic, request.validate_only, answer);
  }
  co_return response;
}

}  // namespace millrace::kafka
