#include "kafka/error_map.h"
#include "kafka/handlers/handlers.h"
#include "runtime/coroutine.h"

namespace millrace::kafka {
namespace {

runtime::Task<DeleteTopicsResponse::Topic> delete_one(Context& context,
                                                      std::optional<std::string_view> name,
                                                      TopicId id) {
  DeleteTopicsResponse::Topic answer;
  const auto topic = name ? context.broker.find(*name) : context.broker.find(id);
  answer.topic_id = topic ? topic->record.id : id;
  if (name) {
    answer.name = std::string(*name);
  } else if (topic) {
    answer.name = topic->name();
  }
  if (!topic) {
    answer.error_code = name ? ErrorCode::kUnknownTopicOrPartition : ErrorCode::kUnknownTopicId;
    co_return answer;
  }
  const auto removed = co_await context.broker.remove(topic->name());
  if (!removed.ok()) {
    answer.error_code = error_code_of(removed.error().code);
    answer.error_message = removed.error().message;
  }
  co_return answer;
}

}  // namespace

runtime::Task<DeleteTopicsResponse> delete_topics(Context& context,
                                                  const DeleteTopicsRequest& request,
                                                  const Call& call) {
  DeleteTopicsResponse response;
  if (call.version >= 6) {
    for (const auto& topic : request.topics) {
      response.responses.push_back(co_await delete_one(context, topic.name, topic.topic_id));
    }
    co_return response;
  }
  for (const std::string_view name : request.topic_names) {
    response.responses.push_back(co_await delete_one(context, name, {}));
  }
  co_return response;
}

}  // namespace millrace::kafka
