// What must not run. Each line names what it would do if it did.
#include "query/engine_test.h"
#include "query/statement_check.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <fstream>

namespace millrace::query {
namespace {

using testing::AnyOf;
using testing::StartsWith;

class Sandbox : public EngineTest {
 protected:
  Sandbox() {
    auto& table = tables_.make("main", "t");
    table.flush(one_row(1, 1));
    file_ = table.files()[0];  // where DuckDB itself may read
    secret_ = folder_.path() + "/secret.csv";
    std::ofstream(secret_) << "secret\n42\n";
  }

  /// FILE and SECRET stand for the two paths.
  std::string filled(std::string sql) const {
    for (const auto& [mark, path] : {std::pair{std::string("FILE"), file_}, {"SECRET", secret_}}) {
      for (size_t at; (at = sql.find(mark)) != std::string::npos;) {
        sql.replace(at, mark.size(), path);
      }
    }
    return sql;
  }

  void expect_refused(const std::string& sql) {
    EXPECT_THAT(answer(filled(sql)), AnyOf(StartsWith("forbidden: "), StartsWith("invalid: "),
                                           StartsWith("not_found: ")))
        << sql;
  }

  std::string file_;
  std::string secret_;
};

TEST_F(Sandbox, OnlyReadingStatementsRun) {
  const size_t files = static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator(folder_.path() + "/tables"), {}));
  for (const char* sql : {
           "COPY t TO 'FILE.csv'",
           "COPY (SELECT 1) TO 'FILE.2.parquet'",
           "COPY t FROM 'FILE'",
           "COPY FROM DATABASE memory TO temp",
           "ATTACH 'FILE.db' AS x",
           "ATTACH ':memory:' AS x",
           "DETACH memory",
           "USE information_schema",
           "INSTALL httpfs",
           "LOAD httpfs",
           "FORCE INSTALL httpfs",
           "UPDATE EXTENSIONS",
           "SET threads = 1",
           "RESET threads",
           "SET VARIABLE x = 1",
           "SET SESSION search_path = 'x'",
           "PRAGMA database_list",
           "PRAGMA threads = 1",
           "CREATE TABLE x (a INTEGER)",
           "CREATE TEMP TABLE x AS SELECT 1",
           "CREATE VIEW x AS SELECT 1",
           "CREATE OR REPLACE VIEW t AS SELECT 1",
           "CREATE MACRO m() AS 1",
           "CREATE SECRET s (TYPE s3)",
           "CREATE SCHEMA s",
           "CREATE SEQUENCE s",
           "CREATE TYPE e AS ENUM ('a')",
           "INSERT INTO t VALUES (1)",
           "UPDATE t SET n = 2",
           "DELETE FROM t",
           "TRUNCATE t",
           "MERGE INTO t USING t AS u ON true",
           "DROP VIEW t",
           "DROP SCHEMA main CASCADE",
           "ALTER VIEW t RENAME TO u",
           "CALL pragma_version()",
           "CALL enable_logging()",
           "EXPORT DATABASE 'FILE.d'",
           "IMPORT DATABASE 'FILE.d'",
           "PRAGMA import_database('FILE.d')",
           "EXPLAIN (FORMAT json) SELECT 1",
           "EXPLAIN (FORMAT json) SELECT 1; PRAGMA import_database('FILE.d')",
           "CHECKPOINT",
           "FORCE CHECKPOINT",
           "VACUUM",
           "ANALYZE",
           "BEGIN",
           "COMMIT",
           "ROLLBACK",
           "PREPARE p AS SELECT 1",
           "EXECUTE p",
           "DEALLOCATE p",
           "COMMENT ON VIEW t IS 'x'",
           "SELECT 1; SELECT 2",
           "SELECT 1; DROP VIEW t",
           "SELECT 1;;DELETE FROM t",
           "EXPLAIN COPY t TO 'FILE.csv'",
           "EXPLAIN ANALYZE COPY (SELECT 1) TO 'FILE.csv'",
           "EXPLAIN ANALYZE DELETE FROM t",
           "EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1",
           "EXPLAIN (ANALYZE) DELETE FROM t",
           "EXPLAIN ANALYZE SELECT 1; DROP VIEW t",
           "/**/ eXpLaIn /* */ aNaLyZe -- x\n DROP VIEW t",
           "EXPLAIN EXPLAIN SELECT 1",
           "DESCRIBE (DELETE FROM t)",
           "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
           "PIVOT t ON n USING count(*)",
           "SHOW VARIABLES",
           "SHOW threads",
           "SELECT * FROM (SHOW variables)",
       }) {
    expect_refused(sql);
  }
  EXPECT_EQ(static_cast<size_t>(
                std::distance(std::filesystem::directory_iterator(folder_.path() + "/tables"), {})),
            files);
  EXPECT_EQ(rows("SELECT n FROM t"), "[[1]]");
}

TEST_F(Sandbox, NoFileIsReadByName) {
  for (const char* sql : {
           "FROM '/etc/passwd'",
           "SELECT * FROM 'FILE'",
           "SELECT * FROM \"FILE\"",
           "SELECT * FROM 'SECRET'",
           "FROM main.'FILE'",
           "FROM memory.main.\"FILE\"",
           "SELECT * FROM read_csv('SECRET')",
           "SELECT * FROM read_csv_auto('SECRET')",
           "SELECT * FROM READ_PARQUET('FILE')",
           "SELECT * FROM parquet_scan('FILE')",
           "SELECT * FROM \"read_parquet\"(['FILE'])",
           "SELECT * FROM main.read_parquet('FILE')",
           "SELECT * FROM system.main.read_parquet('FILE')",
           "SELECT * FROM read_text('SECRET')",
           "SELECT * FROM read_blob('SECRET')",
           "SELECT * FROM read_json('SECRET')",
           "SELECT * FROM read_ndjson_auto('SECRET')",
           "SELECT * FROM glob('/*')",
           "SELECT * FROM sniff_csv('SECRET')",
           "SELECT * FROM parquet_metadata('FILE')",
           "SELECT * FROM parquet_schema('FILE')",
           "SELECT * FROM parquet_file_metadata('FILE')",
           "SELECT * FROM parquet_kv_metadata('FILE')",
           "SELECT * FROM parquet_bloom_probe('FILE', 'n', 1)",
           "SELECT * FROM read_duckdb('FILE')",
           "SELECT (SELECT count(*) FROM 'FILE')",
           "SELECT * FROM t WHERE n IN (SELECT n FROM 'FILE')",
           "WITH x AS (SELECT * FROM 'FILE') SELECT * FROM x",
           "WITH x AS MATERIALIZED (SELECT * FROM 'FILE') SELECT 1",
           "WITH \"FILE\" AS (SELECT * FROM 'FILE') SELECT * FROM 'FILE'",
           "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a",
           "SELECT * FROM (WITH c AS (SELECT 1) SELECT 1), c",
           "WITH RECURSIVE r AS (SELECT n FROM 'FILE' UNION ALL SELECT n FROM r) FROM r",
           "WITH RECURSIVE r AS (SELECT * FROM r UNION ALL SELECT 1) FROM r",
           "SELECT * FROM t, LATERAL (SELECT * FROM 'FILE')",
           "SELECT * FROM t POSITIONAL JOIN 'FILE'",
           "SELECT * FROM t ASOF JOIN 'FILE' AS u ON t.time >= u.time",
           "SELECT * FROM t UNION ALL SELECT * FROM 'FILE'",
           "SELECT * FROM t EXCEPT FROM 'FILE'",
           "SELECT * FROM (PIVOT 'FILE' ON n IN (1) USING count(*))",
           "UNPIVOT 'FILE' ON n",
           "DESCRIBE 'FILE'",
           "SUMMARIZE 'FILE'",
           "DESCRIBE SELECT * FROM 'FILE'",
           "SHOW 'FILE'",
           "EXPLAIN SELECT * FROM 'FILE'",
           "EXPLAIN ANALYZE FROM 'FILE'",
           "TABLE 'FILE'",
           "VALUES ((SELECT count(*) FROM 'FILE'))",
           "SELECT n FROM t ORDER BY (SELECT count(*) FROM 'FILE')",
           "SELECT n FROM t LIMIT (SELECT count(*) FROM 'FILE')",
           "SELECT n FROM t GROUP BY n HAVING (SELECT count(*) FROM 'FILE') > 0",
           "SELECT sum(n) FILTER ((SELECT true FROM 'FILE')) FROM t",
           "SELECT sum(n) OVER (ORDER BY (SELECT 1 FROM 'FILE')) FROM t",
           "SELECT list_transform([1], x -> (SELECT count(*) FROM 'FILE'))",
           "SELECT CASE WHEN EXISTS (FROM 'FILE') THEN 1 END",
           "SELECT COLUMNS(c -> (SELECT true FROM 'FILE')) FROM t",
           "SELECT * REPLACE ((SELECT 1 FROM 'FILE') AS n) FROM t",
           "SELECT ARRAY(SELECT n FROM 'FILE')",
           "SELECT * FROM range((SELECT count(*) FROM 'FILE'))",
           "SELECT * FROM unnest((SELECT list(n) FROM 'FILE'))",
           "SELECT * FROM t AT (VERSION => 1)",
           "SELECT * FROM t TABLESAMPLE 1, 'FILE'",
           "SELECT * FROM query('SELECT 1')",
           "SELECT * FROM query('FROM ''FILE''')",
           "SELECT * FROM query_table('t')",
           "SELECT * FROM query_table(['FILE'])",
           "SELECT * FROM histogram('FILE', n)",
           "SELECT * FROM histogram_values(t, n)",
           "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
           "SELECT json_serialize_plan('SELECT * FROM ''FILE''')",
       }) {
    expect_refused(sql);
  }
}

TEST_F(Sandbox, NeitherSettingsNorVariablesNorInsidesAreReached) {
  for (const char* sql : {
           "SELECT getenv('HOME')",
           "SELECT GetEnv('HOME')",
           "SELECT \"getenv\"('HOME')",
           "SELECT 'HOME'.getenv()",
           "SELECT getvariable('files x')",
           "SELECT main.getvariable('x')",
           "SELECT system.main.getvariable('x')",
           "SELECT list_transform(['x'], lambda v: getvariable(v))",
           "SELECT current_setting('temp_directory')",
           "SELECT set_config('threads', '1', false)",
           "SELECT nextval('s')",
           "SELECT currval('s')",
           "SELECT write_log('x')",
           "SELECT sleep_ms(10)",
           "SELECT pg_sleep(1)",
           "SELECT pg_get_viewdef(1)",
           "SELECT stats(n) FROM t",
           "SELECT vector_type(n) FROM t",
           "SELECT __internal_decompress_integral_bigint(1, 2)",
           "SELECT * FROM duckdb_settings()",
           "SELECT * FROM duckdb_settings",
           "FROM duckdb_secrets()",
           "FROM duckdb_variables()",
           "FROM duckdb_views()",
           "FROM duckdb_views",
           "FROM duckdb_functions()",
           "FROM duckdb_logs",
           "FROM duckdb_extensions()",
           "FROM duckdb_databases()",
           "FROM duckdb_memory()",
           "FROM duckdb_temporary_files()",
           "FROM pg_catalog.pg_class",
           "FROM pg_settings",
           "FROM sqlite_master",
           "FROM information_schema.constraints",
           "FROM pragma_table_info('t')",
           "FROM pragma_version()",
           "FROM pragma_show('t')",
           "FROM which_secret('a', 'b')",
           "FROM seq_scan('t')",
           "FROM arrow_scan(1, 2, 3)",
           "FROM pandas_scan(1)",
           "FROM arrow_scan_dumb(1, 2, 3)",
           "FROM test_all_types()",
           "FROM test_vector_types(1)",
           "FROM summary((FROM t))",
           "FROM enable_logging()",
           "FROM millrace_hot('x')",
           "FROM millrace_hot('00000000-0000-0000-0000-000000000001')",
           "FROM checkpoint()",
           "FROM system.main.duckdb_settings",
           "FROM temp.main.t",
           "FROM nowhere.main.t",
           "SELECT range(1000000000)",
           "SELECT unnest(range(1000 * 1000000))",
           "FROM unnest(generate_series(1, 1000000000))",
           "SELECT range((SELECT 1000000000))",
       }) {
    expect_refused(sql);
  }
}

TEST_F(Sandbox, WhatIsHarmlessRuns) {
  for (const char* sql : {
           "SELECT 1",
           "((SELECT 1))",
           "EXPLAIN (SELECT 1)",
           "VALUES (1), (2)",
           "FROM t",
           "TABLE t",
           "SELECT * FROM range(3), generate_series(1, 2)",
           "SELECT unnest(range(3))",
           "SELECT unnest([1, 2])",
           "SELECT * FROM unnest([1, 2])",
           "FROM repeat('x', 3)",
           "FROM json_each('{\"a\":1}')",
           "WITH a AS (SELECT 1 x), b AS (SELECT x FROM a) SELECT * FROM A, b",
           "WITH RECURSIVE r AS (SELECT 1 x UNION ALL SELECT x + 1 FROM r WHERE x < 5) FROM r",
           "WITH RECURSIVE r(k) USING KEY (k) AS (SELECT 1 UNION SELECT k FROM r WHERE false) FROM "
           "r",
           "SELECT * FROM t a JOIN t b USING (n)",
           "SELECT (SELECT max(n) FROM t)",
           "SELECT n, row_number() OVER (ORDER BY n) FROM t QUALIFY true",
           "SELECT list_transform([1, 2], lambda x: x + 1)",
           "UNPIVOT t ON n",
           "SUMMARIZE t",
           "SELECT * FROM (PIVOT t ON n IN (1, 2) USING count(*))",
           "SELECT * FROM t USING SAMPLE 10",
           "SELECT date_trunc('day', time), count(*) FROM t GROUP BY 1",
           "SELECT version()",
           "SELECT COLUMNS('n') FROM t",
           "SELECT n::VARCHAR COLLATE NOCASE FROM t",
           "SELECT now()",
           "SELECT $$a dollar; quote$$",
           "SELECT ';'",
           "SELECT 1 -- ; DROP VIEW t",
           "SHOW DATABASES",
           "DESCRIBE SELECT n FROM t",
           "FROM information_schema.schemata",
           "SELECT * FROM memory.main.t",
           "SELECT struct_pack(a := 1).a",
           "SELECT '{\"a\":1}'::JSON->'a'",
       }) {
    EXPECT_THAT(answer(sql), StartsWith("{\"columns\":")) << sql;
  }
}

TEST(StatementCheck, FindsWhatExplainExplains) {
  EXPECT_EQ(explained("explain select 1"), " select 1");
  EXPECT_EQ(explained("-- c\n/* a /* b */ */EXPLAIN/**/ANALYZE(select 1)"), "(select 1)");
  EXPECT_EQ(explained("explain analyzes"), " analyzes");
  EXPECT_EQ(explained("explains select 1"), std::nullopt);
  EXPECT_EQ(explained("explain_ select 1"), std::nullopt);
  EXPECT_EQ(explained("/* explain"), std::nullopt);
  EXPECT_EQ(explained(""), std::nullopt);
}

TEST(StatementCheck, RefusesWhatItDoesNotKnow) {
  const auto code_of = [](const std::string& tree) {
    const auto facts = check_statement(tree);
    return facts.ok() ? Code::kNotFound : facts.error().code;
  };
  const auto statement = [](const std::string& node) {
    return R"({"error":false,"statements":[{"node":)" + node + "}]}";
  };
  EXPECT_EQ(code_of("no json"), Code::kInternal);
  EXPECT_EQ(code_of("{}"), Code::kInternal);
  EXPECT_EQ(code_of(R"({"error":false,"statements":[]})"), Code::kInvalid);
  EXPECT_EQ(code_of(statement(R"({"type":"SELECT_NODE","select_list":[]})")), Code::kNotFound);
  EXPECT_EQ(code_of(statement(R"({"type":"NEW_NODE"})")), Code::kForbidden);
  EXPECT_EQ(code_of(statement(R"({"type":"SELECT_NODE","from_table":{"type":"NEW_REF","alias":"",)"
                              R"("sample":null}})")),
            Code::kForbidden);
  EXPECT_EQ(code_of(statement(R"({"type":"SELECT_NODE","select_list":[{"class":"NEW"}]})")),
            Code::kForbidden);
  EXPECT_EQ(code_of(statement(R"({"type":"SELECT_NODE","select_list":[{"class":"FUNCTION"}]})")),
            Code::kForbidden);
}

}  // namespace
}  // namespace millrace::query
