#include "cli/topics.h"

#include "cli/server_api.h"
#include "cli/server_metrics.h"
#include "cli/usage.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>

namespace millrace::cli {
namespace {

using nlohmann::json;

constexpr auto kSoon = std::chrono::seconds(3);

}  // namespace

Error unknown_topic(const std::string& name, const std::vector<client::TopicInfo>& topics) {
  std::vector<std::string> names;
  names.reserve(topics.size());
  for (const client::TopicInfo& topic : topics) {
    names.push_back(topic.name);
  }
  const auto meant = nearest(name, names);
  return make_error(Code::kNotFound, "there is no topic {}{} see: millrace topic list", name,
                    meant ? fmt::format("; did you mean {}? Or", *meant) : ";");
}

Result<std::vector<int32_t>> partitions_of(const std::string& servers, const std::string& topic,
                                           int partition, std::chrono::milliseconds timeout) {
  MILLRACE_TRY(const auto admin, client::Admin::connect(servers, timeout));
  MILLRACE_TRY(const auto topics, admin->list_topics());
  return partitions_in(topics, topic, partition);
}

Result<std::vector<int32_t>> partitions_in(const std::vector<client::TopicInfo>& topics,
                                           const std::string& topic, int partition) {
  const auto found = std::ranges::find(topics, topic, &client::TopicInfo::name);
  if (found == topics.end()) {
    return unknown_topic(topic, topics);
  }
  std::vector<int32_t> partitions;
  for (const auto& one : found->partitions) {
    if (partition < 0 || one.id == partition) {
      partitions.push_back(one.id);
    }
  }
  if (partitions.empty()) {
    return make_error(Code::kNotFound, "topic {} has partitions 0 to {}", topic,
                      found->partitions.size() - 1);
  }
  return partitions;
}

std::optional<TopicTable> table_in(const std::string& answer, const std::string& topic) {
  const json document = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) {
    return std::nullopt;
  }
  for (const json& table : document.value("tables", json::array())) {
    if (table.is_object() && table.value("topic", "") == topic) {
      return TopicTable{
          .name = table.value("database", "") + "." + table.value("measurement", ""),
          .rows = table.value("hot_rows", uint64_t{0}) + table.value("file_rows", uint64_t{0})};
    }
  }
  return std::nullopt;
}

std::optional<TopicTable> table_of_topic(const std::string& http, const std::string& topic) {
  auto api = ServerApi::open(http, kSoon);
  const auto answer =
      api.ok() ? api->get("/api/v1/tables") : Result<std::string>(std::move(api).error());
  return answer.ok() ? table_in(*answer, topic) : std::nullopt;
}

std::optional<Pinned> pinned_bytes(const std::string& http, const std::string& topic) {
  const auto metrics = server_metrics(http);
  const auto own =
      metrics ? metrics->sum_where("millrace_journal_pinned_bytes", "topic", topic) : std::nullopt;
  if (!own || *own <= 0) {
    return std::nullopt;
  }
  // What is older than the file that it keeps is freed: it keeps all there is.
  const double all = std::max(metrics->sum("millrace_journal_bytes").value_or(0), *own);
  return Pinned{static_cast<uint64_t>(*own), static_cast<uint64_t>(all)};
}

}  // namespace millrace::cli
