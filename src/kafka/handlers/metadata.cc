#include "kafka/error_map.h"
#include "kafka/handlers/handlers.h"
#include "runtime/coroutine.h"

namespace millrace::kafka {
namespace {

MetadataResponse::Topic describe(const Context& context, const broker::Topic& topic) {
  MetadataResponse::Topic out;
  out.name = topic.name();
  out.topic_id = topic.record.id;
  for (const auto& partition : topic.partitions) {
    MetadataResponse::Topic::Partition& part = out.partitions.emplace_back();
    part.partition_index = partition->id().partition;
    part.leader_id = context.options.node_id;
    part.leader_epoch = 0;
    part.replica_nodes = {context.options.node_id};
    part.isr_nodes = {context.options.node_id};
  }
  return out;
}

MetadataResponse::Topic refuse(const MetadataRequest::Topic& asked, ErrorCode code) {
  MetadataResponse::Topic out;
  out.error_code = code;
  out.topic_id = asked.topic_id;
  if (asked.name) {
    out.name = std::string(*asked.name);
  }
  return out;
}

runtime::Task<MetadataResponse::Topic> find_or_create(Context& context,
                                                      MetadataRequest::Topic asked,
                                                      bool may_create) {
  if (!asked.name) {
    const auto topic = context.broker.find(asked.topic_id);
    co_return topic ? describe(context, *topic) : refuse(asked, ErrorCode::kUnknownTopicId);
  }
  if (const auto topic = context.broker.find(*asked.name)) {
    co_return describe(context, *topic);
  }
  if (!broker::validate_topic_name(*asked.name).ok()) {
    co_return refuse(asked, ErrorCode::kInvalidTopicException);
  }
  if (!may_create) {
    co_return refuse(asked, ErrorCode::kUnknownTopicOrPartition);
  }
  broker::NewTopic fresh;
  fresh.name = std::string(*asked.name);
  fresh.partitions = context.options.default_partitions;
  auto created = co_await context.broker.create(std::move(fresh));
  if (created.ok()) {
    co_return describe(context, **created);
  }
  if (created.error().code == Code::kConflict) {  // another connection makes it right now
    const auto topic = context.broker.find(*asked.name);
    co_return topic ? describe(context, *topic) : refuse(asked, ErrorCode::kLeaderNotAvailable);
  }
  co_return refuse(asked, error_code_of(created.error().code));
}

}  // namespace

runtime::Task<MetadataResponse> metadata(Context& context, const MetadataRequest& request,
                                         const Call& call) {
  MetadataResponse response;
  response.brokers.push_back({context.options.node_id, context.options.advertised.host,
                              context.advertised_port.load(), std::nullopt});
  response.cluster_id = context.cluster_id;
  response.controller_id = context.options.node_id;
  const bool wants_all = !request.topics || (call.version == 0 && request.topics->empty());
  if (wants_all) {
    for (const auto& topic : context.broker.topics()) {
      response.topics.push_back(describe(context, *topic));
    }
    co_return response;
  }
  const bool may_create =
      context.options.auto_create_topics && (call.version < 4 || request.allow_auto_topic_creation);
  for (const auto& asked : *request.topics) {
    response.topics.push_back(co_await find_or_create(context, asked, may_create));
  }
  co_return response;
}

}  // namespace millrace::kafka
