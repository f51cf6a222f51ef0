// The tables as DuckDB sees them: a view each, made when a query first names the table and made
// anew when its columns changed.
#pragma once

#include "base/mutex.h"
#include "query/database.h"
#include "tables/snapshot.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace millrace::query {

/// Views by folded name: where two tables' names differ in case alone, the one that was named last
/// has the view, and a query that begins then keeps it. Thread-safe.
class Views {
 public:
  explicit Views(Database& database) : database_(database) {}

  /// Makes the views of `snapshots` and then begins a transaction on `connection`, so that it sees
  /// exactly those, whatever other queries need. What they show goes into `context`. Errors:
  /// kInvalid (two of them differ in case alone), kInternal.
  Status begin(duckdb_connection connection, QueryContext& context,
               std::vector<tables::Snapshot> snapshots);

  /// Makes a view for every table that has columns and drops those of tables that are gone, for
  /// SHOW TABLES. Until a query reads the table its view has names and types alone.
  Status sync(const std::vector<tables::TableInfo>& tables);

 private:
  using ViewPtr = std::shared_ptr<const TableView>;

  Result<ViewPtr> ensure(const tables::Snapshot& snapshot) MILLRACE_REQUIRES(mutex_);
  Status create(const ViewPtr& view) MILLRACE_REQUIRES(mutex_);
  Status drop_all_but(const std::map<std::string, const tables::TableInfo*>& wanted)
      MILLRACE_REQUIRES(mutex_);

  Database& database_;
  Mutex mutex_;
  std::map<std::string, ViewPtr> views_ MILLRACE_GUARDED_BY(mutex_);
};

/// The session variable that holds a table's list of files.
std::string files_variable(const TopicId& topic);

}  // namespace millrace::query
