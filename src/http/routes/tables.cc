// Tables: what there is, how one stands, and "into files now".
#include "http/error_map.h"
#include "http/routes/routes.h"
#include "runtime/coroutine.h"

#include <nlohmann/json.hpp>

namespace millrace::http {
namespace {

using nlohmann::json;

json columns_of(const tables::SchemaVersion& schema) {
  json columns = json::array();
  for (const columnar::SchemaColumn& column : schema.schema.columns()) {
    columns.push_back(
        {{"name", column.name}, {"type", name_of(column.type)}, {"is_tag", column.is_tag}});
  }
  return columns;
}

json summary_of(const tables::Table& table) {
  const auto [hot, files] = table.whole();
  uint64_t rows = 0;
  uint64_t bytes = 0;
  for (const tables::TableFile& file : files) {
    rows += file.rows;
    bytes += file.bytes;
  }
  const auto damage = table.damage();
  return {{"database", table.name().database},
          {"measurement", table.name().measurement},
          {"topic", tables::topic_name_of(table.name())},
          {"hot_rows", hot.rows},
          {"hot_bytes", hot.bytes},
          {"files", files.size()},
          {"file_rows", rows},
          {"file_bytes", bytes},
          {"is_rebuilt", table.is_replayed()},
          {"damage", damage ? json(damage->message) : json(nullptr)}};
}

net::HttpResponse document(const json& content) {
  // A path of the data directory need not be UTF-8.
  return net::HttpResponse::json(
      200, content.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

tables::TablePtr find(const Call& call) {
  return call.context.tables.find({call.parts[0], call.parts[1]});
}

net::HttpResponse not_there(const Call& call) {
  const tables::TableName name{call.parts[0], call.parts[1]};
  return answer_of(make_error(Code::kNotFound, "there is no table {}", name.to_string()),
                   ErrorForm::kMillrace);
}

}  // namespace

runtime::Task<net::HttpResponse> list_tables(Call call) {
  json list = json::array();
  for (const tables::TablePtr& table : call.context.tables.all()) {
    list.push_back(summary_of(*table));
  }
  co_return document({{"tables", std::move(list)}});
}

runtime::Task<net::HttpResponse> describe_table(Call call) {
  const tables::TablePtr table = find(call);
  if (!table) {
    co_return not_there(call);
  }
  const tables::SchemaPtr schema = table->schema();
  json content = summary_of(*table);
  content["topic_id"] = table->partition().topic.to_string();
  content["schema_version"] = schema->version;
  content["columns"] = columns_of(*schema);
  content["next_offset"] = table->applied().value;
  content["table_offset"] = table->flushed().value;
  co_return document(content);
}

runtime::Task<net::HttpResponse> flush_table(Call call) {
  const tables::TablePtr table = find(call);
  if (!table) {
    co_return not_there(call);
  }
  const Status flushed = co_await call.context.tables.flush(table);
  if (!flushed.ok()) {
    co_return answer_of(flushed.error(), ErrorForm::kMillrace);
  }
  co_return document(summary_of(*table));
}

}  // namespace millrace::http
