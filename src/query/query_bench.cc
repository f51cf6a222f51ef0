// What a query costs: 10 M rows in memory grouped, a tiny query's fixed part, rows a second as
// JSON.
#include "base/check.h"
#include "query/engine.h"
#include "query/test_tables.h"

#include <benchmark/benchmark.h>

#include <memory>

namespace millrace::query {
namespace {

using columnar::Value;

constexpr int64_t kRows = 10'000'000;
constexpr int64_t kBatchRows = 100'000;

/// Made once; hosts of 1,000 names.
class Fixture {
 public:
  Fixture() {
    EngineOptions options;
    options.tables_directory = folder_.path() + "/tables";
    options.temp_directory = folder_.path() + "/tmp";
    options.memory_bytes = size_t{1} << 30;
    std::filesystem::create_directory(options.tables_directory);
    auto& large = tables_.make("main", "large");
    for (int64_t first = 0; first < kRows; first += kBatchRows) {
      large.add(batch(first, kBatchRows));
    }
    tables_.make("main", "tiny").add(batch(0, 1));
    tables_.make("main", "cold").flush(batch(0, 1));
    engine_ = Engine::open(options, tables_, topics_).value();
  }

  static Fixture& instance() {
    static Fixture fixture;
    return fixture;
  }

  QueryAnswer run(const char* sql) {
    auto answer = engine_->run(sql, {.max_rows = 100'000'000, .max_bytes = size_t{4} << 30});
    MILLRACE_CHECK(answer.ok(), answer.ok() ? "" : answer.error().message.c_str());
    return std::move(answer).value();
  }

 private:
  static columnar::ColumnBatch batch(int64_t first, int64_t rows) {
    std::vector<TestColumn> columns = {{"time", {}, columnar::ColumnType::kTimeUs},
                                       {"host", {}, columnar::ColumnType::kNull},
                                       {"value", {}, columnar::ColumnType::kNull}};
    static std::vector<std::string> names;
    while (names.size() < 1000) {
      names.push_back("server" + std::to_string(names.size()));
    }
    for (int64_t row = first; row < first + rows; ++row) {
      columns[0].values.emplace_back(Value::of_i64(1'700'000'000'000'000 + row));
      columns[1].values.emplace_back(Value::of_string(names[static_cast<size_t>(row % 1000)]));
      columns[2].values.emplace_back(Value::of_f64(static_cast<double>(row) / 4));
    }
    return make_batch(columns);
  }

  TemporaryFolder folder_;
  TestTables tables_{folder_.path() + "/tables"};
  NoTopics topics_;
  std::unique_ptr<Engine> engine_;
};

void run_sql(benchmark::State& state, const char* sql, int64_t rows) {
  Fixture& fixture = Fixture::instance();
  fixture.run(sql);
  for (auto _ : state) {
    benchmark::DoNotOptimize(fixture.run(sql));
  }
  state.SetItemsProcessed(state.iterations() * rows);
}

BENCHMARK_CAPTURE(run_sql, fixed_cost_without_table, "SELECT 1", 1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(run_sql, fixed_cost_hot_row, "SELECT * FROM tiny", 1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(run_sql, fixed_cost_one_file, "SELECT * FROM cold", 1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(run_sql, count_10m, "SELECT count(*) FROM large", kRows)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(run_sql, group_10m_by_host, "SELECT host, avg(value) FROM large GROUP BY host",
                  kRows)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(run_sql, json_1m_rows, "SELECT time, host, value FROM large LIMIT 1000000",
                  1'000'000)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace millrace::query

BENCHMARK_MAIN();
