// An engine over test tables, and short ways to ask it.
#pragma once

#include "query/engine.h"
#include "query/test_tables.h"

#include <gtest/gtest.h>

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace millrace::query {

using Values = std::vector<std::optional<columnar::Value>>;

inline TestColumn times(const std::vector<int64_t>& ticks,
                        columnar::ColumnType type = columnar::ColumnType::kTimeUs) {
  TestColumn column{"time", {}, type};
  for (const int64_t tick : ticks) {
    column.values.emplace_back(columnar::Value::of_i64(tick));
  }
  return column;
}

inline TestColumn numbers(std::string name, const std::vector<int64_t>& values) {
  TestColumn column{std::move(name), {}, columnar::ColumnType::kNull};
  for (const int64_t value : values) {
    column.values.emplace_back(columnar::Value::of_i64(value));
  }
  return column;
}

/// One row at `time` with a number.
inline columnar::ColumnBatch one_row(int64_t time, int64_t n) {
  return make_batch({times({time}), numbers("n", {n})});
}

class EngineTest : public testing::Test {
 protected:
  EngineTest() { start({}); }

  /// With folders filled in.
  void start(EngineOptions options) {
    options.tables_directory = folder_.path() + "/tables";
    options.temp_directory = folder_.path() + "/tmp";
    std::filesystem::create_directory(options.tables_directory);
    auto engine = Engine::open(options, tables_, topics());
    ASSERT_TRUE(engine.ok()) << engine.error().message;
    engine_ = std::move(engine).value();
  }

  virtual const TopicSource& topics() const {
    static const NoTopics none;
    return none;
  }

  Result<QueryAnswer> run(const std::string& sql, QueryLimits limits = {}) {
    if (limits.deadline.is_never()) {
      limits.deadline = runtime::Deadline::after(std::chrono::seconds(120));
    }
    return engine_->run(sql, limits);
  }

  /// The answer's document, or "CODE: message".
  std::string answer(const std::string& sql, const QueryLimits& limits = {}) {
    auto result = run(sql, limits);
    if (!result.ok()) {
      return fmt::format("{}: {}", name_of(result.error().code), result.error().message);
    }
    std::string document;
    for (const auto& piece : result->pieces) {
      document += piece;
    }
    return document;
  }

  /// What stands in "rows", or "CODE: message".
  std::string rows(const std::string& sql) {
    const std::string document = answer(sql);
    const auto at = document.find("],\"rows\":");
    return at == std::string::npos ? document : document.substr(at + 9, document.size() - at - 10);
  }

  TemporaryFolder folder_;
  TestTables tables_{folder_.path() + "/tables"};
  std::unique_ptr<Engine> engine_;
};

}  // namespace millrace::query
