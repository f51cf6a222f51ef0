#include "query/database.h"
#include "query/deadline_watch.h"
#include "query/encode_json.h"
#include "query/engine_test.h"
#include "query/errors.h"
#include "query/hot_scan.h"
#include "query/session.h"
#include "query/table_function.h"
#include "runtime/cancel_token.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <future>
#include <sstream>
#include <thread>

namespace millrace::query {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

using Limits = EngineTest;

// What never ends by itself, each in another part of DuckDB.
constexpr std::array kEndless = {
    "WITH RECURSIVE r AS (SELECT 1 x UNION ALL SELECT x + 1 FROM r) SELECT max(x) FROM r",
    "WITH RECURSIVE r AS (SELECT 1 x UNION ALL SELECT x + 1 FROM r) SELECT * FROM r WHERE x < 0",
    "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range <> b.range",
    "SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 8",
    "EXPLAIN ANALYZE SELECT sum(range) FROM range(1000000000000)",
};

TEST_F(Limits, AnEndlessQueryEndsAtItsDeadline) {
  for (const char* sql : kEndless) {
    const auto began = std::chrono::steady_clock::now();
    const auto result = run(sql, {.deadline = runtime::Deadline::after(200ms)});
    ASSERT_FALSE(result.ok()) << sql;
    EXPECT_EQ(result.error().code, Code::kTimeout) << result.error().message;
    EXPECT_EQ(result.error().message, "the query did not end within 0.2 s");
    // Not a measure of speed: DuckDB would run these for hours.
    EXPECT_LT(std::chrono::steady_clock::now() - began, 60s) << sql;
  }
  EXPECT_EQ(rows("SELECT 1"), "[[1]]");
}

TEST_F(Limits, ADeadlineThatHasPassedEndsAQueryBeforeItRuns) {
  const auto result = run("SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 8",
                          {.deadline = runtime::Deadline::after(-1s)});
  EXPECT_EQ(result.error().code, Code::kTimeout) << result.error().message;
}

TEST_F(Limits, ACancelledQueryEnds) {
  runtime::CancelSource cancel;
  auto query =
      std::async(std::launch::async, [&] { return run(kEndless[2], {.cancel = cancel.token()}); });
  cancel.cancel();
  const auto result = query.get();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kCancelled) << result.error().message;
  EXPECT_EQ(run("SELECT 1", {.cancel = cancel.token()}).error().code, Code::kCancelled);
}

TEST_F(Limits, TooManyRowsAreAnErrorAndNotCut) {
  EXPECT_EQ(run("FROM range(3000)", {.max_rows = 3000})->rows, 3000U);
  const auto result = run("FROM range(3001)", {.max_rows = 3000});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kInvalid);
  EXPECT_THAT(result.error().message, HasSubstr("more than 3000 rows"));
}

TEST_F(Limits, TooManyBytesAreAnError) {
  const auto result = run("SELECT repeat('x', 100000) FROM range(10000)", {.max_bytes = 10 << 20});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kInvalid);
  EXPECT_THAT(result.error().message, HasSubstr("larger than 10485760 bytes"));
  EXPECT_THAT(answer("SELECT repeat('x', 20000000)", {.max_bytes = 10 << 20}),
              HasSubstr("larger than 10485760 bytes"));
  EXPECT_THAT(answer("SELECT 12345", {.max_bytes = 30}), HasSubstr("larger than 30 bytes"));
}

TEST_F(Limits, PiecesAreBounded) {
  const auto result = run("SELECT repeat('x', 1000) FROM range(20000)");
  ASSERT_TRUE(result.ok()) << result.error().message;
  ASSERT_GE(result->pieces.size(), 19U);
  for (const auto& piece : result->pieces) {
    EXPECT_LE(piece.size(), size_t{1} << 20);
  }
}

TEST_F(Limits, SpentMemoryIsOverload) {
  start({.tables_directory = {},
         .temp_directory = {},
         .memory_bytes = 32 << 20,
         .max_temp_bytes = 1 << 20});
  const auto result =
      run("SELECT count(*) FROM (SELECT DISTINCT range, hash(range) FROM "
          "range(20000000))");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kOverloaded) << result.error().message;
  EXPECT_THAT(result.error().message, HasSubstr("Out of Memory"));
  EXPECT_THAT(result.error().message, Not(HasSubstr("SET")));
  EXPECT_THAT(result.error().message, Not(HasSubstr("PRAGMA")));
  EXPECT_EQ(rows("SELECT 1"), "[[1]]");
}

TEST_F(Limits, LargeSortsSpillIntoTheTemporaryFolder) {
  start({.tables_directory = {},
         .temp_directory = {},
         .memory_bytes = 64 << 20,
         .max_temp_bytes = size_t{1} << 30});
  EXPECT_EQ(rows("SELECT count(*), max(x) FROM (SELECT range x, row_number() OVER (ORDER BY "
                 "hash(range)) FROM range(4000000))"),
            "[[4000000,3999999]]");
}

TEST_F(Limits, OptionsThatMakeNoSenseAreRefused) {
  const NoTopics none;
  EXPECT_FALSE(Engine::open({.tables_directory = "relative"}, tables_, none).ok());
  EXPECT_FALSE(Engine::open({.tables_directory = "/a*b"}, tables_, none).ok());
  EXPECT_FALSE(Engine::open({.tables_directory = "/a", .threads = 0}, tables_, none).ok());
  EXPECT_TRUE(Engine::open({.tables_directory = "/a", .threads = 1}, tables_, none).ok());
}

TEST_F(Limits, AnIdleEngineHasStartedNothing) {
  const auto threads = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
  };
  const auto before = threads();
  start({});
  EXPECT_EQ(threads(), before);
  EXPECT_EQ(rows("SELECT 1"), "[[1]]");
  EXPECT_GT(threads(), before);
}

/// Of this process's threads whose names begin so, as text.
std::vector<std::string> nice_values_of(const std::string& prefix) {
  std::vector<std::string> values;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::string stat;
    std::ifstream comm(task.path() / "comm");
    std::getline(comm, name);
    std::ifstream state(task.path() / "stat");
    std::getline(state, stat);
    if (!name.starts_with(prefix) || stat.empty()) {
      continue;
    }
    // Behind the name in parentheses: state, then fields 4 to 19, the nice value (proc(5)).
    std::istringstream fields(stat.substr(stat.rfind(')') + 2));
    std::string field;
    for (int i = 3; i <= 19; ++i) {
      fields >> field;
    }
    values.push_back(field);
  }
  return values;
}

TEST_F(Limits, HelpersHaveALowPriority) {
  start({.tables_directory = {}, .temp_directory = {}, .threads = 3, .nice = 7});
  EXPECT_EQ(rows("SELECT 1"), "[[1]]");
  // A thread names itself once it runs, which the query does not wait for.
  std::vector<std::string> values;
  const auto deadline = runtime::Deadline::after(60s);
  const std::string expected = std::to_string(std::min(getpriority(PRIO_PROCESS, 0) + 7, 19));
  while (values != std::vector{expected, expected} && !deadline.has_passed()) {
    std::this_thread::yield();
    values = nice_values_of("duckdb-");
  }
  EXPECT_EQ(values, (std::vector{expected, expected}));
}

TEST(Errors, MessagesHaveTheirCodes) {
  const auto code = [](const char* message) { return error_of(message, "/data/tables").code; };
  EXPECT_EQ(code("Parser Error: x"), Code::kInvalid);
  EXPECT_EQ(code("Not implemented Error: x"), Code::kInvalid);
  EXPECT_EQ(code("Permission Error: x"), Code::kForbidden);
  EXPECT_EQ(code("Out of Memory Error: x"), Code::kOverloaded);
  EXPECT_EQ(code("INTERRUPT Error: Interrupted!"), Code::kCancelled);
  EXPECT_EQ(code("IO Error: disk"), Code::kIo);
  EXPECT_EQ(code("IO Error: Cannot open file \"/data/tables/x\""), Code::kCorrupt);
  EXPECT_EQ(code("Invalid Input Error: /data/tables/x too small"), Code::kCorrupt);
  EXPECT_EQ(code("IO Error: Cannot open file \"/data/tables/x\": Too many open files"),
            Code::kOverloaded);
  EXPECT_EQ(code("Conversion Error: '/data/tables' is no integer"), Code::kInvalid);
  EXPECT_EQ(code("FATAL Error: x"), Code::kInternal);
  EXPECT_EQ(code("INTERNAL Error: x"), Code::kInternal);
}

TEST(Errors, SpentMemoryAdvisesNothingThatIsForbidden) {
  const auto message = [](const char* text) { return error_of(text, "/data/tables").message; };
  EXPECT_EQ(
      message("Out of Memory Error: failed to pin block of size 1 MiB (3 MiB/3 MiB used)\n"
              "Possible solutions:\n* Reducing the number of threads (SET threads=X)"),
      "Out of Memory Error: failed to pin block of size 1 MiB (3 MiB/3 MiB used); all queries "
      "together have a quarter of memory.max_bytes");
  EXPECT_EQ(message("Out of Memory Error: failed to offload data block of size 1 MiB (1 MiB/1 MiB "
                    "used).\nThis limit was set by the 'max_temp_directory_size' setting.\nYou can "
                    "adjust this setting, by using (for example) PRAGMA "
                    "max_temp_directory_size='10GiB'"),
            "Out of Memory Error: failed to offload data block of size 1 MiB (1 MiB/1 MiB used); "
            "queries may fill a tenth of what was free on the disk at the start");
  EXPECT_EQ(message("Binder Error: x\nPossible solutions: y"),
            "Binder Error: x\nPossible solutions: y");
}

TEST(Watch, CallsAtTheDeadlineUnlessRemoved) {
  DeadlineWatch watch;
  std::promise<int> first;
  const auto removed = watch.add(runtime::Deadline::after(1h), [] { FAIL() << "removed"; });
  const auto later = watch.add(runtime::Deadline::after(20ms), [&first] { first.set_value(2); });
  watch.remove(removed);
  auto called = first.get_future();
  ASSERT_EQ(called.wait_for(60s), std::future_status::ready);
  watch.remove(later);
  watch.remove(later + 7);
}

/// A view that another query replaces between the beginning of a transaction and the binding.
TEST_F(Limits, ABegunQueryKeepsTheViewsItBeganWith) {
  const std::string directory = folder_.path() + "/tables";
  auto database =
      Database::open({.tables_directory = directory, .temp_directory = folder_.path()}).value();
  Views views(*database);
  auto& old_table = tables_.make("main", "cpu");
  old_table.add(one_row(1, 1));
  const auto old_snapshot = old_table.snapshot();
  auto session = Session::open(*database, topics(), directory).value();
  ASSERT_TRUE(session->check("SELECT n FROM cpu").ok());
  ASSERT_TRUE(session->begin(views, {old_snapshot}).ok());

  auto& new_table = tables_.make("main", "cpu");  // another topic
  new_table.add(make_batch({times({1}), numbers("n", {5}), numbers("m", {6})}));
  auto other = Session::open(*database, topics(), directory).value();
  ASSERT_TRUE(other->check("SELECT n, m FROM cpu").ok());
  ASSERT_TRUE(other->begin(views, {new_table.snapshot()}).ok());

  const auto rows_of = [](Session& one) {
    JsonEncoder encoder(1 << 20);
    const auto status = one.start();
    EXPECT_TRUE(status.ok()) << status.error().message;
    EXPECT_TRUE(one.fetch(encoder, 10).ok());
    return encoder.finish().value().front();
  };
  EXPECT_THAT(rows_of(*session), HasSubstr("\"rows\":[[1]]"));
  EXPECT_THAT(rows_of(*other), HasSubstr("\"rows\":[[5,6]]"));
}

/// Says BIGINT and fills in something else.
void wrong_rows(duckdb_function_info /*info*/, duckdb_data_chunk output) {
  const DuckType text = type_of(DUCKDB_TYPE_VARCHAR);
  Owned<duckdb_vector, duckdb_destroy_vector> wrong(
      duckdb_create_vector(text.get(), duckdb_vector_size()));
  duckdb_vector_reference_vector(duckdb_data_chunk_get_vector(output, 0), wrong.get());
  duckdb_data_chunk_set_size(output, 1);
}

TEST_F(Limits, ADatabaseThatWasInvalidatedIsRetired) {
  const std::string directory = folder_.path() + "/tables";
  auto database =
      Database::open({.tables_directory = directory, .temp_directory = folder_.path()}).value();
  const auto connection = database->connect().value();
  const DuckTableFunction function(duckdb_create_table_function());
  duckdb_table_function_set_name(function.get(), "wrong");
  duckdb_table_function_set_bind(function.get(), [](duckdb_bind_info info) {
    duckdb_bind_add_result_column(info, "n", type_of(DUCKDB_TYPE_BIGINT).get());
  });
  duckdb_table_function_set_init(function.get(), [](duckdb_init_info) {});
  duckdb_table_function_set_function(function.get(), wrong_rows);
  ASSERT_EQ(duckdb_register_table_function(connection.get(), function.get()), DuckDBSuccess);
  const auto broken = execute(connection.get(), "SELECT sum(n + 1) FROM wrong()");
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().code, Code::kInternal) << broken.error().message;
  EXPECT_TRUE(invalidates_database(broken.error().message)) << broken.error().message;

  auto session = Session::open(*database, topics(), directory).value();
  const auto after = session->check("SELECT 1");
  ASSERT_FALSE(after.ok());
  EXPECT_EQ(after.error().code, Code::kInternal) << after.error().message;
  EXPECT_TRUE(database->is_retired()) << after.error().message;
}

}  // namespace
}  // namespace millrace::query
