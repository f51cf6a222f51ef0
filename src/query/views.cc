#include "query/views.h"

#include "query/hot_scan.h"
#include "query/names.h"

#include <unordered_map>

namespace millrace::query {
namespace {

using tables::TableInfo;

/// DuckDB's way to tell columns apart whose names differ in case alone (1.5.5,
/// QueryResult::DeduplicateColumns): "a", "A" are called "a", "A_1". Its Parquet reader does the
/// same to a file's columns, so by these names the reader finds them. Since columns are only added
/// at the end, the names of the first ones are the same for every version of the schema.
std::vector<std::string> told_apart(const std::vector<columnar::SchemaColumn>& columns) {
  std::unordered_map<std::string, size_t> seen;
  std::vector<std::string> names;
  names.reserve(columns.size());
  for (const auto& column : columns) {
    std::string name = column.name;
    const std::string lower = fold(name);
    if (!seen.contains(lower)) {
      seen[lower] = 1;
    } else {
      size_t& count = seen[lower];
      for (;; ++count) {
        name = fmt::format("{}_{}", column.name, count);
        if (!seen.contains(fold(name))) {
          break;
        }
      }
      seen[fold(name)] = 1;
    }
    names.push_back(std::move(name));
  }
  return names;
}

std::string_view type_name(columnar::ColumnType type) {
  switch (sql_type_of(type)) {
    case DUCKDB_TYPE_BOOLEAN:
      return "BOOLEAN";
    case DUCKDB_TYPE_BIGINT:
      return "BIGINT";
    case DUCKDB_TYPE_UBIGINT:
      return "UBIGINT";
    case DUCKDB_TYPE_DOUBLE:
      return "DOUBLE";
    case DUCKDB_TYPE_VARCHAR:
      return "VARCHAR";
    case DUCKDB_TYPE_TIMESTAMP:
      return "TIMESTAMP";
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return "TIMESTAMP_NS";
    case DUCKDB_TYPE_BLOB:
      return "BLOB";
    default:
      return "INTEGER";
  }
}

/// Names and types alone.
std::string select_nothing(const TableView& view) {
  std::string columns;
  for (size_t i = 0; i < view.column_names.size(); ++i) {
    columns += fmt::format("{}CAST(NULL AS {}) AS {}", i == 0 ? "" : ", ",
                           type_name(view.schema->schema.columns()[i].type),
                           sql_name(view.column_names[i]));
  }
  return "SELECT " + columns + " WHERE false";
}

/// `schema` gives the reader names and types, so that it opens no file before it is read (as
/// union_by_name would), files of older columns are cast and completed with nulls, and filters
/// reach the row groups' statistics.
std::string select_rows(const TableView& view) {
  std::string columns;
  for (size_t i = 0; i < view.column_names.size(); ++i) {
    const std::string name = sql_text(view.column_names[i]);
    columns +=
        fmt::format("{}{}: {{name: {}, type: '{}', default_value: NULL}}", i == 0 ? "" : ", ", name,
                    name, type_name(view.schema->schema.columns()[i].type));
  }
  return fmt::format(
      "SELECT * FROM read_parquet(list_prepend({}, getvariable({})), schema = MAP {{{}}}, "
      "hive_partitioning = false) UNION ALL SELECT * FROM {}({})",
      sql_text(view.empty_file), sql_text(files_variable(view.topic)), columns, kHotScanName,
      sql_text(view.topic.to_string()));
}

}  // namespace

std::string files_variable(const TopicId& topic) {
  return "files " + topic.to_string();
}

Status Views::begin(duckdb_connection connection, QueryContext& context,
                    std::vector<tables::Snapshot> snapshots) {
  const MutexLock lock(mutex_);
  std::map<std::string, TopicId> by_key;
  for (tables::Snapshot& snapshot : snapshots) {
    const auto [other, is_new] = by_key.emplace(folded_name(snapshot.name), snapshot.topic);
    if (!is_new && other->second != snapshot.topic) {
      return make_error(Code::kInvalid,
                        "one statement cannot read two tables that differ in case alone: {}",
                        snapshot.name.to_string());
    }
    MILLRACE_TRY(auto view, ensure(snapshot));
    context.tables[snapshot.topic.to_string()] = {std::move(view), std::move(snapshot.files),
                                                  std::move(snapshot.hot),
                                                  std::move(snapshot.folder)};
  }
  return execute(connection, "BEGIN TRANSACTION READ ONLY");
}

Result<Views::ViewPtr> Views::ensure(const tables::Snapshot& snapshot) {
  const auto found = views_.find(folded_name(snapshot.name));
  if (found != views_.end()) {
    const TableView& view = *found->second;
    // A newer view shows an older snapshot as well: columns are only added and widened.
    if (view.topic == snapshot.topic && view.name == snapshot.name &&
        view.schema->version >= snapshot.schema->version && !view.empty_file.empty()) {
      return found->second;
    }
  }
  const auto view = std::make_shared<const TableView>(
      TableView{snapshot.name, snapshot.topic, snapshot.schema,
                told_apart(snapshot.schema->schema.columns()), snapshot.empty_file});
  MILLRACE_TRY_STATUS(create(view));
  return view;
}

Status Views::create(const ViewPtr& view) {
  MILLRACE_TRY(const DuckConnection connection, database_.connect());
  DuckContext client;
  duckdb_connection_get_client_context(connection.get(), client.out());
  const uint64_t id = duckdb_client_context_get_connection_id(client.get());

  // DuckDB binds the view to learn its columns: without files and hot rows.
  struct NoTopics final : TopicSource {
    Result<TopicExtent> find(const std::string& name) const override {
      return make_error(Code::kNotFound, "no topic {}", name);
    }

    Result<std::vector<record::StoredBatch>> read(TopicPartition /*partition*/, Offset /*from*/,
                                                  size_t /*max_bytes*/) const override {
      return std::vector<record::StoredBatch>();
    }
  };

  static const NoTopics no_topics;
  const auto context = std::make_shared<QueryContext>(no_topics);
  context->tables[view->topic.to_string()] = {view, {}, {}};
  database_.contexts().add(id, context);
  Status status = execute(connection.get(),
                          "CREATE SCHEMA IF NOT EXISTS memory." + sql_name(view->name.database));
  if (status.ok()) {
    status =
        execute(connection.get(),
                fmt::format("CREATE OR REPLACE VIEW memory.{}.{} AS {}",
                            sql_name(view->name.database), sql_name(view->name.measurement),
                            view->empty_file.empty() ? select_nothing(*view) : select_rows(*view)));
  }
  database_.contexts().remove(id);
  if (!status.ok()) {
    return make_error(Code::kInternal, "view of table {}: {}", view->name.to_string(),
                      status.error().message);
  }
  views_[folded_name(view->name)] = view;
  return {};
}

Status Views::sync(const std::vector<TableInfo>& tables) {
  std::map<std::string, const TableInfo*> wanted;
  for (const TableInfo& table : tables) {
    if (table.schema->version > 0 && !is_reserved(table.name.database)) {
      wanted.emplace(folded_name(table.name), &table);
    }
  }
  const MutexLock lock(mutex_);
  MILLRACE_TRY_STATUS(drop_all_but(wanted));
  for (const auto& [key, table] : wanted) {
    const auto found = views_.find(key);
    if (found == views_.end() || found->second->topic != table->topic ||
        found->second->schema->version < table->schema->version) {
      MILLRACE_TRY_STATUS(create(
          std::make_shared<const TableView>(TableView{table->name,
                                                      table->topic,
                                                      table->schema,
                                                      told_apart(table->schema->schema.columns()),
                                                      {}})));
    }
  }
  return {};
}

Status Views::drop_all_but(const std::map<std::string, const TableInfo*>& wanted) {
  for (auto view = views_.begin(); view != views_.end();) {
    if (wanted.contains(view->first)) {
      ++view;
      continue;
    }
    MILLRACE_TRY(const DuckConnection connection, database_.connect());
    MILLRACE_TRY_STATUS(execute(connection.get(), "DROP VIEW IF EXISTS memory." + view->first));
    view = views_.erase(view);
  }
  return {};
}

}  // namespace millrace::query
