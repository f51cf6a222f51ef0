// One query on a connection of its own, from its text to its rows.
#pragma once

#include "base/result.h"
#include "query/database.h"
#include "query/encoder.h"
#include "query/interrupter.h"
#include "query/statement_check.h"
#include "query/views.h"

#include <memory>
#include <string>
#include <vector>

namespace millrace::query {

/// Lives on its query's thread; only interrupter() is for others. In this order: check, begin,
/// prepare, fetch. Errors of all: error_of(), or what a table function failed with.
class Session {
 public:
  static Result<std::unique_ptr<Session>> open(Database& database, const TopicSource& topics,
                                               const std::string& tables_directory);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Interrupter& interrupter() { return interrupter_; }

  /// Whether the statement may run, and what it reads. Nothing is bound yet. Errors: as
  /// check_statement.
  Result<StatementFacts> check(const std::string& sql);

  /// Puts the tables of the statement in front of it.
  Status begin(Views& views, std::vector<tables::Snapshot> snapshots);

  /// Binds the statement that was checked and starts it.
  Status start();

  /// DuckDB failed at something that may be a file's fault: an error of ours, or of a statement
  /// that does not fit the tables, is none.
  bool may_be_damage() const { return may_be_damage_; }

  /// All its rows into `encoder`; how many there were. kInvalid: more than `max_rows`.
  Result<size_t> fetch(Encoder& encoder, size_t max_rows);

 private:
  Session(Database& database, DuckConnection connection, const TopicSource& topics,
          const std::string& tables_directory);

  Result<std::string> tree_of(std::string_view sql);
  Status set_files(const TopicId& topic, const std::vector<std::string>& files);
  Status not_interrupted() const;
  Error failed(const char* message);

  Database& database_;
  const std::string& tables_directory_;
  const DuckConnection connection_;
  const std::shared_ptr<QueryContext> context_;
  Interrupter interrupter_;
  uint64_t id_ = 0;
  bool may_be_damage_ = false;
  DuckStatements statements_;
  DuckPrepared prepared_;
  DuckPending pending_;
};

}  // namespace millrace::query
