#include "query/engine.h"

#include "query/engine_test.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

namespace millrace::query {
namespace {

using columnar::ColumnType;
using columnar::Value;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using EngineTables = EngineTest;

TEST_F(EngineTables, AnswersWithoutAnyTable) {
  EXPECT_EQ(answer("SELECT 1 AS one, 'x' AS two"),
            R"({"columns":[{"name":"one","type":"INTEGER"},{"name":"two","type":"VARCHAR"}],)"
            R"("rows":[[1,"x"]]})");
  EXPECT_EQ(answer("SELECT 1 WHERE false;"),
            R"({"columns":[{"name":"1","type":"INTEGER"}],"rows":[]})");
  EXPECT_EQ(run("FROM range(5000)")->rows, 5000U);
}

TEST_F(EngineTables, UnitesFilesAndHotRows) {
  auto& table = tables_.make("main", "cpu");
  table.flush(make_batch({times({1, 2}), {"host", Values{Value::of_string("a"), std::nullopt}}}));
  table.add(make_batch({times({3}), {"host", Values{Value::of_string("a string, not inlined")}}}));
  EXPECT_EQ(answer("SELECT * FROM cpu ORDER BY time"),
            R"({"columns":[{"name":"time","type":"TIMESTAMP"},{"name":"host","type":"VARCHAR"}],)"
            R"("rows":[["1970-01-01T00:00:00.000001Z","a"],["1970-01-01T00:00:00.000002Z",null],)"
            R"(["1970-01-01T00:00:00.000003Z","a string, not inlined"]]})");
  EXPECT_EQ(rows("SELECT count(*), count(host) FROM main.cpu"), "[[3,2]]");
  EXPECT_EQ(rows("SELECT host, count(*) FROM cpu WHERE time > make_timestamp(1) GROUP BY ALL "
                 "ORDER BY 1 NULLS FIRST"),
            R"([[null,1],["a string, not inlined",1]])");
}

TEST_F(EngineTables, ReadsFilesAlone) {
  auto& table = tables_.make("main", "cpu");
  table.flush(one_row(1, 10));
  table.flush(one_row(2, 20));
  EXPECT_EQ(rows("SELECT n FROM cpu ORDER BY n"), "[[10],[20]]");
  EXPECT_EQ(rows("SELECT count(*) FROM cpu WHERE n = 20"), "[[1]]");
}

/// Every row of `rows` in all types, nulls where the row's number is 4 modulo 5.
std::vector<TestColumn> all_types(int64_t rows) {
  std::vector<TestColumn> columns = {times({}),
                                     {"b", {}, ColumnType::kNull},
                                     {"i", {}, ColumnType::kNull},
                                     {"u", {}, ColumnType::kNull},
                                     {"f", {}, ColumnType::kNull},
                                     {"s", {}, ColumnType::kNull},
                                     {"ns", {}, ColumnType::kTimeNs},
                                     {"nothing", {}, ColumnType::kNull}};
  for (int64_t row = 0; row < rows; ++row) {
    columns[0].values.emplace_back(Value::of_i64(row));
    const std::array<Value, 6> values = {
        Value::of_bool(row % 2 == 0),
        Value::of_i64(std::numeric_limits<int64_t>::min() + row),
        Value::of_u64(std::numeric_limits<uint64_t>::max() - static_cast<uint64_t>(row)),
        Value::of_f64(static_cast<double>(row) / 4),
        Value::of_string(row % 3 == 0 ? "" : "text that goes beyond twelve bytes"),
        Value::of_i64(1'700'000'000'000'000'001 + row)};
    for (size_t i = 0; i < values.size(); ++i) {
      columns[i + 1].values.push_back(row % 5 == 4 ? std::nullopt : std::optional(values[i]));
    }
    columns.back().values.push_back(std::nullopt);
  }
  return columns;
}

TEST_F(EngineTables, HotRowsAreTheSameAsThoseOfFilesAtEveryPieceBorder) {
  for (const int64_t count : {1, 63, 64, 65, 2047, 2048, 2049, 4097}) {
    tables_.make("main", "hot").add(make_batch(all_types(count)));
    tables_.make("main", "cold").flush(make_batch(all_types(count)));
    EXPECT_EQ(rows("SELECT count(*), count(b), count(i), count(u), count(f), count(s), count(ns), "
                   "count(nothing) FROM hot"),
              rows("SELECT count(*), count(b), count(i), count(u), count(f), count(s), count(ns), "
                   "count(nothing) FROM cold"));
    EXPECT_EQ(rows("FROM hot ORDER BY time"), rows("FROM cold ORDER BY time")) << count;
    EXPECT_EQ(run("FROM hot")->rows, static_cast<size_t>(count));
  }
  EXPECT_EQ(
      rows("SELECT * FROM hot WHERE time = make_timestamp(1)"),
      R"([["1970-01-01T00:00:00.000001Z",false,"-9223372036854775807","18446744073709551614",)"
      R"(0.25,"text that goes beyond twelve bytes","2023-11-14T22:13:20.000000002Z",null]])");
  EXPECT_EQ(rows("SELECT * EXCLUDE (time) FROM hot WHERE time = make_timestamp(4)"),
            "[[null,null,null,null,null,null,null]]");
}

TEST_F(EngineTables, ATimeWithNanosecondsMeetsNowOnceItIsTold) {
  tables_.make("main", "fine").add(make_batch({times({1}, ColumnType::kTimeNs)}));
  tables_.make("main", "coarse").add(make_batch({times({1})}));
  for (const char* condition : {"time < now()", "now() >= time", "time BETWEEN now() AND now()",
                                "time - now() > '1 day'"}) {
    EXPECT_THAT(rows(std::string("SELECT 1 FROM fine WHERE ") + condition),
                HasSubstr("write now()::TIMESTAMP or localtimestamp"))
        << condition;
  }
  EXPECT_EQ(rows("SELECT 1 FROM fine WHERE time < now()::TIMESTAMP AND time < localtimestamp"),
            "[[1]]");
  EXPECT_EQ(rows("SELECT 1 FROM fine WHERE time < now()::TIMESTAMP - INTERVAL 1 HOUR"), "[[1]]");
  EXPECT_EQ(rows("SELECT 1 FROM coarse WHERE time < now()"), "[[1]]");
  EXPECT_THAT(rows("SELECT nothing FROM fine"), Not(HasSubstr("localtimestamp")));
}

TEST_F(EngineTables, OlderColumnsAreWidenedExactly) {
  auto& table = tables_.make("main", "m");
  const int64_t exact = int64_t{1} << 53;
  const auto first = [&](int64_t time) {
    return make_batch({times({time}),
                       {"was_null", Values{std::nullopt}},
                       {"i_to_f", Values{Value::of_i64(exact)}},
                       {"i_to_u", Values{Value::of_i64(std::numeric_limits<int64_t>::max())}},
                       {"t", Values{Value::of_i64(-1)}, ColumnType::kTimeUs}});
  };
  const auto second = [&](int64_t time) {
    return make_batch({times({time}),
                       {"was_null", Values{Value::of_string("now text")}},
                       {"i_to_f", Values{Value::of_f64(0.5)}},
                       {"i_to_u", Values{Value::of_u64(std::numeric_limits<uint64_t>::max())}},
                       {"t", Values{Value::of_i64(1)}, ColumnType::kTimeNs},
                       {"added", Values{Value::of_bool(true)}}});
  };
  table.flush(first(1));
  table.add(first(2));
  EXPECT_EQ(rows("SELECT was_null, i_to_f, t FROM m"),
            R"([[null,9007199254740992,"1969-12-31T23:59:59.999999Z"],)"
            R"([null,9007199254740992,"1969-12-31T23:59:59.999999Z"]])");
  table.flush(second(3));
  table.add(second(4));
  const std::string old_row = R"([null,9007199254740992,"9223372036854775807",)"
                              R"("1969-12-31T23:59:59.999999000Z",null])";
  const std::string new_row = R"(["now text",0.5,"18446744073709551615",)"
                              R"("1970-01-01T00:00:00.000000001Z",true])";
  EXPECT_EQ(rows("SELECT * EXCLUDE (time) FROM m ORDER BY time"),
            "[" + old_row + "," + old_row + "," + new_row + "," + new_row + "]");
  EXPECT_EQ(rows("SELECT count(*) FROM m WHERE i_to_f = 9007199254740992"), "[[2]]");
  EXPECT_EQ(rows("SELECT count(*) FROM m WHERE i_to_u > 9223372036854775807"), "[[2]]");
  EXPECT_EQ(rows("SELECT count(*) FROM m WHERE added IS NULL"), "[[2]]");
}

TEST_F(EngineTables, NamesMayHoldAnything) {
  const auto put = [this](const std::string& database, const std::string& name, int64_t n) {
    tables_.make(database, name).add(make_batch({times({1}), numbers("a \"b\" 'c'", {n})}));
    tables_.make(database, name + "_f")
        .flush(make_batch({times({1}), numbers("a \"b\" 'c'", {n})}));
  };
  put("a.b", "c d", 1);
  put("it's", "\"quoted\"", 2);
  put("größe", "日本", 3);
  put("main", "SELECT", 4);
  put("main", "x.parquet", 5);
  put("main", "/etc/passwd", 6);
  for (const char* end : {"\"", "_f\""}) {
    const auto value = [&](const std::string& table) {
      return rows("SELECT \"a \"\"b\"\" 'c'\" FROM " + table + end);
    };
    EXPECT_EQ(value(R"("a.b"."c d)"), "[[1]]");
    EXPECT_EQ(value(R"("it's"."""quoted"")"), "[[2]]");
    EXPECT_EQ(value(R"(größe."日本)"), "[[3]]");
    EXPECT_EQ(value(R"("SELECT)"), "[[4]]");
    EXPECT_EQ(value(R"("x.parquet)"), "[[5]]");
    EXPECT_EQ(value(R"("/etc/passwd)"), "[[6]]");
  }
}

TEST_F(EngineTables, NamesThatDifferInCaseAreToldApart) {
  tables_.make("main", "cpu").add(one_row(1, 1));
  EXPECT_EQ(rows("SELECT n FROM MAIN.Cpu"), "[[1]]");
  tables_.make("main", "CPU").add(one_row(1, 2));
  EXPECT_EQ(rows("SELECT n FROM cpu"), "[[1]]");
  EXPECT_EQ(rows("SELECT n FROM \"CPU\""), "[[2]]");
  EXPECT_EQ(rows("SELECT n FROM cpu"), "[[1]]");
  EXPECT_THAT(rows("SELECT n FROM Cpu"), HasSubstr("upper and lower case"));
  EXPECT_THAT(rows("SELECT * FROM cpu, \"CPU\""), HasSubstr("differ in case alone"));
}

TEST_F(EngineTables, ColumnsThatDifferInCaseAreToldApart) {
  const auto batch = make_batch({times({1}), numbers("Value", {1}), numbers("value", {2}),
                                 numbers("value_1", {3}), numbers("VALUE", {4})});
  tables_.make("main", "hot").add(batch);
  tables_.make("main", "cold").flush(batch);
  EXPECT_EQ(rows("SELECT * EXCLUDE (time) FROM hot"), "[[1,2,3,4]]");
  EXPECT_EQ(rows("SELECT * EXCLUDE (time) FROM cold"), "[[1,2,3,4]]");
  EXPECT_EQ(rows("SELECT value, value_1, VALUE_2 FROM cold"),
            rows("SELECT value, value_1, VALUE_2 FROM hot"));
}

TEST_F(EngineTables, ReservedDatabasesAreNamedInTheError) {
  tables_.make("temp", "cpu").add(one_row(1, 1));
  EXPECT_THAT(rows("SELECT * FROM temp.cpu"), HasSubstr("read the topic temp.cpu"));
  EXPECT_EQ(rows("SHOW ALL TABLES"), "[]");
}

TEST_F(EngineTables, RowsAfterTheSnapshotAreNotSeen) {
  auto& table = tables_.make("main", "cpu");
  table.add(one_row(1, 1));
  tables_.after_snapshot = [&table] { table.append_to_last(one_row(2, 2)); };
  EXPECT_EQ(rows("SELECT count(*), max(n) FROM cpu"), "[[1,1]]");
  tables_.after_snapshot = nullptr;
  EXPECT_EQ(rows("SELECT count(*), max(n) FROM cpu"), "[[2,2]]");
}

TEST_F(EngineTables, AQueryKeepsItsViewWhenAnotherWidensTheTable) {
  // The second query, which runs while the first has its snapshot, makes the view anew.
  auto& table = tables_.make("main", "cpu");
  table.add(one_row(1, 1));
  EXPECT_EQ(rows("SELECT * EXCLUDE (time) FROM cpu"), "[[1]]");
  tables_.after_snapshot = [&] {
    tables_.after_snapshot = nullptr;
    table.add(make_batch({times({2}), numbers("n", {2}), numbers("m", {3})}));
    EXPECT_EQ(rows("SELECT * EXCLUDE (time) FROM cpu ORDER BY n"), "[[1,null],[2,3]]");
  };
  EXPECT_EQ(rows("SELECT n FROM cpu"), "[[1]]");
}

TEST_F(EngineTables, ATableMadeAgainShowsNothingOfTheOldOne) {
  tables_.make("main", "cpu").flush(one_row(1, 1));
  EXPECT_EQ(rows("SELECT n FROM cpu"), "[[1]]");
  tables_.make("main", "cpu")
      .add(make_batch({times({5}), {"other", Values{Value::of_bool(true)}}}));
  EXPECT_EQ(rows("SELECT * FROM cpu"), R"([["1970-01-01T00:00:00.000005Z",true]])");
  EXPECT_THAT(rows("SELECT n FROM cpu"), HasSubstr("\"n\" not found"));
  tables_.drop("main", "cpu");
  EXPECT_THAT(rows("SELECT * FROM cpu"), HasSubstr("does not exist"));
  EXPECT_EQ(rows("SHOW TABLES"), "[]");
}

TEST_F(EngineTables, AreListedAndDescribed) {
  tables_.make("main", "cpu").add(one_row(1, 7));
  tables_.make("other", "mem").flush(one_row(1, 7));
  tables_.make("main", "unwritten");
  EXPECT_EQ(rows("SHOW TABLES"), R"([["cpu"]])");
  EXPECT_EQ(rows("SELECT schema, name, column_names FROM (SHOW ALL TABLES)"),
            R"([["main","cpu",["time","n"]],["other","mem",["time","n"]]])");
  EXPECT_EQ(rows("SHOW TABLES FROM other"), R"([["mem"]])");
  EXPECT_EQ(rows("SELECT table_schema, table_name FROM information_schema.tables ORDER BY 1"),
            R"([["main","cpu"],["other","mem"]])");
  EXPECT_EQ(rows("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = "
                 "'cpu' ORDER BY ordinal_position"),
            R"([["time","TIMESTAMP"],["n","BIGINT"]])");
  EXPECT_EQ(rows("SELECT column_name, column_type FROM (DESCRIBE cpu)"),
            R"([["time","TIMESTAMP"],["n","BIGINT"]])");
  EXPECT_THAT(rows("SUMMARIZE cpu"), HasSubstr(R"(["n","BIGINT","7","7",1)"));
  EXPECT_THAT(rows("EXPLAIN SELECT n FROM cpu"), HasSubstr("MILLRACE_HOT"));
  EXPECT_THAT(rows("/* a /* nested */ comment */ Explain\nAnalyze SELECT n FROM other.mem"),
              HasSubstr("Total Time"));
  EXPECT_EQ(rows("SELECT n FROM other.mem"), "[[7]]");
}

TEST_F(EngineTables, ErrorsAreDuckDbsAndHelp) {
  tables_.make("main", "temperature").add(one_row(1, 1));
  EXPECT_THAT(
      rows("SELECT * FROM temprature"),
      HasSubstr(R"(not_found: Catalog Error: Table "main"."temprature" does not exist: did )"
                R"(you mean "main"."temperature"?)"));
  EXPECT_THAT(rows("SELECT * FROM elsewhere.xyzzy"), HasSubstr("SHOW ALL TABLES lists the 1"));
  EXPECT_THAT(rows("SELECT tim FROM temperature"), StartsWith("invalid: Binder Error: Referenced"));
  EXPECT_THAT(rows("SELECT tim FROM temperature"), HasSubstr("\"time\""));
  EXPECT_THAT(rows("SELEC 1"),
              StartsWith("invalid: Parser Error: syntax error at or near \"SELEC\""));
  EXPECT_THAT(rows("SELECT 'x'::INTEGER"), StartsWith("invalid: Conversion Error"));
  EXPECT_THAT(rows("SELECT nofunction(1)"), StartsWith("invalid: Catalog Error"));
  EXPECT_THAT(rows("SELECT $1"), HasSubstr("parameters"));
  EXPECT_THAT(rows(""), HasSubstr("no statement"));
  EXPECT_THAT(rows("-- nothing"), HasSubstr("no statement"));
  EXPECT_THAT(rows(std::string("SELECT 1\0 2", 11)), HasSubstr("byte 8"));
  EXPECT_THAT(rows("SELECT '\xff'"), HasSubstr("UTF-8"));
  EXPECT_THAT(rows("SELECT '" + std::string(2 << 20, 'x') + "'"), HasSubstr("1048576 are allowed"));
}

TEST_F(EngineTables, MissingOrDamagedFilesAreCorrupt) {
  auto& table = tables_.make("main", "cpu");
  table.flush(one_row(1, 1));
  table.flush(one_row(2, 2));
  const std::string victim = table.files()[0];
  std::filesystem::resize_file(victim, 20);
  EXPECT_THAT(rows("SELECT * FROM cpu"), StartsWith("corrupt: "));
  EXPECT_THAT(rows("SELECT * FROM cpu"), HasSubstr(victim));
  std::filesystem::remove(victim);
  EXPECT_THAT(rows("SELECT * FROM cpu"), StartsWith("corrupt: "));
  EXPECT_EQ(rows("SELECT 1"), "[[1]]");
}

TEST_F(EngineTables, AQueryThatFailsHasItsFilesComparedAndTheirDamageIsTheAnswer) {
  tables_.make("main", "cpu").flush(one_row(1, 1));
  tables_.make("main", "mem").add(one_row(1, 1));
  const std::string conversion = "SELECT cpu.n::VARCHAR::DATE FROM cpu, mem";
  EXPECT_THAT(rows(conversion), StartsWith("invalid: Conversion Error"));
  EXPECT_EQ(tables_.rechecks, 2);
  tables_.damage = make_error(Code::kCorrupt, "the file of cpu");
  EXPECT_EQ(rows(conversion), "corrupt: the file of cpu");
  EXPECT_EQ(tables_.rechecks, 3);
  EXPECT_EQ(rows("SELECT count(*) FROM cpu"), "[[1]]");
  // What no file can be the cause of costs no look at them.
  EXPECT_THAT(rows("SELECT nope FROM cpu"), StartsWith("invalid: Binder Error"));
  EXPECT_THAT(answer("SELECT * FROM range(100), cpu", {.max_rows = 10}), StartsWith("invalid: "));
  EXPECT_THAT(rows("SELECT * FROM nothing"), StartsWith("not_found: "));
  EXPECT_EQ(tables_.rechecks, 3);
}

TEST_F(EngineTables, AQueryHoldsTheFolderOfItsTables) {
  tables_.make("main", "cpu").flush(one_row(1, 1));
  int held = 0;
  tables_.folder = std::shared_ptr<const void>(&held, [&](const void*) { ++held; });
  EXPECT_EQ(rows("SELECT n FROM cpu"), "[[1]]");
  tables_.folder.reset();
  EXPECT_EQ(held, 1) << "a query that has ended holds none";
  tables_.after_snapshot = [&] {
    tables_.folder.reset();  // the snapshot's is the last
    EXPECT_EQ(held, 1);
  };
  tables_.folder = std::shared_ptr<const void>(&held, [&](const void*) { ++held; });
  EXPECT_EQ(rows("SELECT n FROM cpu"), "[[1]]");
  EXPECT_EQ(held, 2);
}

TEST_F(EngineTables, ManyQueriesRunAtOnceWhileTablesWiden) {
  const std::vector<std::string> names = {"a", "b", "A"};
  for (const auto& name : names) {
    auto& table = tables_.make("main", name);
    table.flush(one_row(1, 1));
    table.add(make_batch({times({2}), numbers("n", {2}), numbers("m", {1})}));
  }
  std::atomic<int> wrong{0};
  constexpr size_t kThreads = 4;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 20; ++n) {
        const std::string name = "\"" + names[(i + static_cast<size_t>(n)) % names.size()] + "\"";
        if (rows("SELECT sum(n), sum(m) FROM " + name) != "[[3,1]]") {
          ++wrong;
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace millrace::query
