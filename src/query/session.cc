#include "query/session.h"

#include "query/errors.h"

#include <utility>

namespace millrace::query {
namespace {

/// Left early, a result must not wait for helpers that go on: see ~Session.
class InterruptAtEnd {
 public:
  explicit InterruptAtEnd(duckdb_connection connection) : connection_(connection) {}

  ~InterruptAtEnd() { duckdb_interrupt(connection_); }

  InterruptAtEnd(const InterruptAtEnd&) = delete;
  InterruptAtEnd& operator=(const InterruptAtEnd&) = delete;

 private:
  const duckdb_connection connection_;
};

}  // namespace

Session::Session(Database& database, DuckConnection connection, const TopicSource& topics,
                 const std::string& tables_directory)
    : database_(database),
      tables_directory_(tables_directory),
      connection_(std::move(connection)),
      context_(std::make_shared<QueryContext>(topics)),
      interrupter_(connection_.get()) {
  DuckContext client;
  duckdb_connection_get_client_context(connection_.get(), client.out());
  id_ = duckdb_client_context_get_connection_id(client.get());
  database_.contexts().add(id_, context_);
}

Session::~Session() {
  // Helpers may be at work on it, even if it was interrupted before it began (DuckDB forgets that
  // then), and the end waits for them.
  duckdb_interrupt(connection_.get());
  // What holds pointers into the hot chunks goes before the context that holds the chunks.
  pending_.reset();
  prepared_.reset();
  statements_.reset();
  database_.contexts().remove(id_);
}

Result<std::unique_ptr<Session>> Session::open(Database& database, const TopicSource& topics,
                                               const std::string& tables_directory) {
  MILLRACE_TRY(auto connection, database.connect());
  return std::unique_ptr<Session>(
      new Session(database, std::move(connection), topics, tables_directory));
}

Result<StatementFacts> Session::check(const std::string& sql) {
  // First the tree, which nothing but the parser makes: duckdb_extract_statements also expands
  // PRAGMA and IMPORT DATABASE, for which it reads files.
  const auto inner = explained(sql);
  MILLRACE_TRY(const std::string tree, tree_of(inner ? *inner : std::string_view(sql)));
  auto facts = check_statement(tree);
  if (!facts.ok() && (inner || facts.error().code != Code::kInvalid)) {
    return facts;
  }
  // Of what the parser refuses, this tells the line as well.
  const idx_t count = duckdb_extract_statements(connection_.get(), sql.c_str(), statements_.out());
  const char* message = duckdb_extract_statements_error(statements_.get());
  if (count == 0 && message != nullptr) {
    return failed(message);
  }
  if (facts.ok() && count != 1) {
    return make_error(Code::kForbidden, "{} statements; one at a time runs here", count);
  }
  return facts;
}

Result<std::string> Session::tree_of(std::string_view sql) {
  DuckPrepared serialize;
  if (duckdb_prepare(connection_.get(), "SELECT json_serialize_sql($1::VARCHAR)",
                     serialize.out()) != DuckDBSuccess ||
      duckdb_bind_varchar_length(serialize.get(), 1, sql.data(), sql.size()) != DuckDBSuccess) {
    return failed(duckdb_prepare_error(serialize.get()));
  }
  DuckResult result;
  if (duckdb_execute_prepared(serialize.get(), result.get()) != DuckDBSuccess) {
    return failed(result.error());
  }
  const DuckChunk chunk(duckdb_fetch_chunk(*result.get()));
  if (!chunk || duckdb_data_chunk_get_size(chunk.get()) != 1) {
    return make_error(Code::kInternal, "DuckDB gives no tree of the statement");
  }
  const duckdb_vector column = duckdb_data_chunk_get_vector(chunk.get(), 0);
  return std::string(view_of(*static_cast<const duckdb_string_t*>(duckdb_vector_get_data(column))));
}

Status Session::begin(Views& views, std::vector<tables::Snapshot> snapshots) {
  MILLRACE_TRY_STATUS(views.begin(connection_.get(), *context_, std::move(snapshots)));
  for (const auto& [id, table] : context_->tables) {
    if (!table.files.empty()) {  // of nothing the C API makes no list; the view takes NULL for it
      MILLRACE_TRY_STATUS(set_files(table.view->topic, table.files));
    }
  }
  return {};
}

Status Session::set_files(const TopicId& topic, const std::vector<std::string>& files) {
  const std::string sql = "SET VARIABLE \"" + files_variable(topic) + "\" = $1";
  DuckPrepared prepared;
  if (duckdb_prepare(connection_.get(), sql.c_str(), prepared.out()) != DuckDBSuccess) {
    return failed(duckdb_prepare_error(prepared.get()));
  }
  std::vector<DuckValue> owned;
  std::vector<duckdb_value> values;
  owned.reserve(files.size());
  values.reserve(files.size());
  for (const std::string& file : files) {
    owned.emplace_back(duckdb_create_varchar_length(file.data(), file.size()));
    values.push_back(owned.back().get());
  }
  const DuckType text = type_of(DUCKDB_TYPE_VARCHAR);
  const DuckValue list(duckdb_create_list_value(text.get(), values.data(), values.size()));
  DuckResult result;
  if (duckdb_bind_value(prepared.get(), 1, list.get()) != DuckDBSuccess ||
      duckdb_execute_prepared(prepared.get(), result.get()) != DuckDBSuccess) {
    return failed(result.error());
  }
  return {};
}

Status Session::start() {
  if (duckdb_prepare_extracted_statement(connection_.get(), statements_.get(), 0,
                                         prepared_.out()) != DuckDBSuccess) {
    return failed(duckdb_prepare_error(prepared_.get()));
  }
  MILLRACE_TRY_STATUS(not_interrupted());  // binding may have taken long, and forgets it
  const auto type = duckdb_prepared_statement_type(prepared_.get());
  if (type != DUCKDB_STATEMENT_TYPE_SELECT && type != DUCKDB_STATEMENT_TYPE_EXPLAIN) {
    return make_error(Code::kForbidden, "only SELECT, EXPLAIN, SHOW, DESCRIBE and SUMMARIZE run");
  }
  if (duckdb_nparams(prepared_.get()) > 0) {
    return make_error(Code::kInvalid,
                      "the statement has parameters, for which there are no values");
  }
  if (duckdb_pending_prepared_streaming(prepared_.get(), pending_.out()) != DuckDBSuccess) {
    return failed(duckdb_pending_error(pending_.get()));
  }
  return not_interrupted();
}

Result<size_t> Session::fetch(Encoder& encoder, size_t max_rows) {
  DuckResult result;
  const InterruptAtEnd at_end(connection_.get());
  if (duckdb_execute_pending(pending_.get(), result.get()) != DuckDBSuccess) {
    return failed(result.error());
  }
  std::vector<ResultColumn> columns;
  for (idx_t i = 0; i < duckdb_column_count(result.get()); ++i) {
    const DuckType type(duckdb_column_logical_type(result.get(), i));
    columns.push_back({duckdb_column_name(result.get(), i), ResultType::of(type.get())});
  }
  MILLRACE_TRY_STATUS(encoder.begin(std::move(columns)));
  size_t rows = 0;
  for (;;) {
    const DuckChunk chunk(duckdb_fetch_chunk(*result.get()));
    const idx_t count = chunk ? duckdb_data_chunk_get_size(chunk.get()) : 0;
    if (count == 0) {
      break;
    }
    MILLRACE_TRY_STATUS(not_interrupted());
    rows += count;
    if (rows > max_rows) {
      return make_error(
          Code::kInvalid,
          "more than {} rows; select fewer of them, with WHERE or LIMIT, or aggregate", max_rows);
    }
    MILLRACE_TRY_STATUS(encoder.add(chunk.get()));
  }
  const char* message = result.error();
  if (message != nullptr && *message != '\0') {
    return failed(message);
  }
  return rows;
}

Status Session::not_interrupted() const {
  if (const auto reason = interrupter_.reason()) {
    return make_error(*reason, "interrupted");
  }
  return {};
}

Error Session::failed(const char* message) {
  if (auto error = context_->error()) {
    return *std::move(error);
  }
  if (const auto reason = interrupter_.reason()) {
    return make_error(*reason, "interrupted");
  }
  const std::string_view text = message == nullptr ? "DuckDB failed without a word" : message;
  if (invalidates_database(text)) {
    database_.retire();
  }
  may_be_damage_ = !is_of_statement(text);
  return error_of(text, tables_directory_);
}

}  // namespace millrace::query
