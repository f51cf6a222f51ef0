#include "query/database.h"

#include "query/errors.h"
#include "query/hot_scan.h"
#include "query/names.h"
#include "query/topic_scan.h"

#include <array>
#include <utility>
#include <vector>

namespace millrace::query {
Status Database::check(const EngineOptions& options) {
  const std::string& directory = options.tables_directory;
  if (!directory.starts_with('/') || directory.find_first_of("*?[]{}") != std::string::npos) {
    return make_error(Code::kInvalid,
                      "tables directory {}: must be absolute, and DuckDB takes *?[]{{}} for a "
                      "pattern",
                      directory);
  }
  if (options.threads == 0 || options.memory_bytes == 0) {
    return make_error(Code::kInvalid, "queries need a thread and memory, not {} and {} bytes",
                      options.threads, options.memory_bytes);
  }
  return {};
}

Status execute(duckdb_connection connection, const std::string& sql) {
  DuckResult result;
  if (duckdb_query(connection, sql.c_str(), result.get()) != DuckDBSuccess) {
    return error_of(result.error(), {});
  }
  return {};
}

Result<std::unique_ptr<Database>> Database::open(const EngineOptions& options) {
  MILLRACE_TRY_STATUS(check(options));
  std::unique_ptr<Database> database(new Database());
  const std::string threads = std::to_string(options.threads);
  const std::vector<std::pair<const char*, std::string>> settings = {
      {"threads", threads},
      {"external_threads", threads},  // so that DuckDB starts none: ours have a nice value
      {"memory_limit", fmt::format("{}B", options.memory_bytes)},
      {"temp_directory", options.temp_directory},
      {"max_temp_directory_size", fmt::format("{}B", options.max_temp_bytes)},
      {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"},
      {"allow_community_extensions", "false"},
      {"allow_persistent_secrets", "false"},
      // A transaction sees the views as they were at its BEGIN, not at its first use of one.
      {"immediate_transaction_mode", "true"}};
  DuckConfig config;
  duckdb_create_config(config.out());
  for (const auto& [name, value] : settings) {
    if (duckdb_set_config(config.get(), name, value.c_str()) != DuckDBSuccess) {
      return make_error(Code::kInternal, "DuckDB has no setting {} = {}", name, value);
    }
  }
  char* message = nullptr;
  const auto state = duckdb_open_ext(nullptr, &database->database_, config.get(), &message);
  const std::string why = take_string(message);
  if (state != DuckDBSuccess) {
    return make_error(Code::kInternal, "DuckDB does not start: {}", why);
  }
  MILLRACE_TRY_STATUS(database->start_threads(options));
  MILLRACE_TRY_STATUS(database->configure(options));
  return database;
}

Status Database::configure(const EngineOptions& options) {
  MILLRACE_TRY(const DuckConnection connection, connect());
  MILLRACE_TRY_STATUS(register_hot_scan(connection.get(), contexts_));
  MILLRACE_TRY_STATUS(register_topic_scan(connection.get(), contexts_));
  const std::array statements = {
      std::string("SET GLOBAL TimeZone = 'UTC'"),
      fmt::format("SET allowed_directories = [{}]", sql_text(options.tables_directory + "/")),
      std::string("SET enable_external_access = false"),
      std::string("SET lock_configuration = true")};
  for (const std::string& statement : statements) {
    MILLRACE_TRY_STATUS(execute(connection.get(), statement));
  }
  return {};
}

Status Database::start_threads(const EngineOptions& options) {
  const size_t helpers = options.threads - 1;  // beside the caller's
  if (helpers == 0) {
    return {};
  }
  MILLRACE_TRY(threads_, runtime::BlockingPool::start(
                             {.name = "duckdb", .threads = helpers, .nice = options.nice}));
  tasks_ = duckdb_create_task_state(database_);
  for (size_t i = 0; i < helpers; ++i) {
    MILLRACE_TRY_STATUS(threads_->submit([tasks = tasks_] { duckdb_execute_tasks_state(tasks); }));
  }
  return {};
}

Database::~Database() {
  if (tasks_ != nullptr) {
    duckdb_finish_execution(tasks_);
  }
  if (threads_) {
    threads_->stop();
  }
  if (tasks_ != nullptr) {
    duckdb_destroy_task_state(tasks_);
  }
  if (database_ != nullptr) {
    duckdb_close(&database_);
  }
}

Result<DuckConnection> Database::connect() {
  DuckConnection connection;
  if (duckdb_connect(database_, connection.out()) != DuckDBSuccess) {
    return make_error(Code::kInternal, "DuckDB gives no connection");
  }
  return connection;
}

}  // namespace millrace::query
