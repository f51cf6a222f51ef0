#include "tables/table.h"

#include "runtime/coroutine.h"
#include "runtime/gate.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"
#include "tables/test_rows.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <thread>

namespace millrace::tables {
namespace {

columnar::ColumnBatch row(int64_t n) {
  return batch_of({times({n}), integers("n", {n})}, 1);
}

class TableTest : public testing::Test {
 protected:
  TableTest() { table_.adopt(admitted(nullptr, row(0))); }

  void apply(int64_t offset) { table_.apply(Offset{offset}, row(offset), {}); }

  /// The numbers in memory, by snapshot.
  std::vector<int64_t> hot() const {
    std::vector<int64_t> found;
    for (const HotRows& hot : table_.snapshot().hot) {
      const auto view = hot.chunk->column(1);
      const auto* values = reinterpret_cast<const int64_t*>(view.values);
      found.insert(found.end(), values, values + hot.rows);
    }
    return found;
  }

  MemoryBudget budget_{"hot rows", size_t{64} << 20};
  ManualClock clock_;
  Table table_{{"main", "t"}, {}, Offset{0}, budget_, clock_};
};

TEST_F(TableTest, RowsStandInTheOrderOfTheirOffsets) {
  apply(2);
  apply(1);
  EXPECT_TRUE(hot().empty());
  EXPECT_EQ(table_.applied(), Offset{0});
  apply(0);
  EXPECT_EQ(hot(), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(table_.applied(), Offset{3});
}

TEST_F(TableTest, AFlushTakesWhatIsThereAndLeavesWhatComes) {
  apply(0);
  apply(1);
  const auto unit = table_.begin_flush();
  ASSERT_TRUE(unit.has_value());
  EXPECT_EQ(unit->first, Offset{0});
  EXPECT_EQ(unit->next, Offset{2});
  EXPECT_EQ(unit->rows, 2U);
  apply(2);
  EXPECT_EQ(hot(), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_FALSE(table_.begin_flush().has_value());  // one at a time
  table_.end_flush(*unit,
                   {TableFile{.path = "a.parquet", .first = unit->first, .next = unit->next}});
  EXPECT_EQ(hot(), (std::vector<int64_t>{2}));
  EXPECT_EQ(table_.snapshot().files, (std::vector<std::string>{"a.parquet"}));
  EXPECT_EQ(table_.flushed(), Offset{2});
}

TEST_F(TableTest, AnAbortedFlushLeavesEverythingAndMayBeTriedAgain) {
  apply(0);
  ASSERT_TRUE(table_.begin_flush().has_value());
  apply(1);
  table_.abort_flush();
  EXPECT_EQ(hot(), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(table_.begin_flush()->next, Offset{2});
}

TEST_F(TableTest, NothingNewIsNothingToFlush) {
  EXPECT_FALSE(table_.begin_flush().has_value());
  apply(0);
  table_.end_flush(*table_.begin_flush(), {});
  EXPECT_FALSE(table_.begin_flush().has_value());
}

TEST_F(TableTest, TheAgeIsThatOfTheOldestRowInMemory) {
  apply(0);
  const auto first = clock_.steady();
  clock_.advance(std::chrono::seconds(5));
  const auto unit = table_.begin_flush();
  apply(1);
  EXPECT_EQ(table_.hot().oldest, first);
  clock_.advance(std::chrono::seconds(5));
  table_.end_flush(*unit, {});
  EXPECT_EQ(table_.hot().oldest, first + std::chrono::seconds(5));
}

TEST_F(TableTest, ASnapshotKeepsItsRowsWhenTheyAreFlushed) {
  apply(0);
  const Snapshot before = table_.snapshot();
  table_.end_flush(*table_.begin_flush(), {});
  ASSERT_EQ(before.hot.size(), 1U);
  EXPECT_EQ(reinterpret_cast<const int64_t*>(before.hot[0].chunk->column(1).values)[0], 0);
  EXPECT_GT(budget_.used(), 0U);
}

TEST_F(TableTest, MemoryIsCountedUntilTheLastHolderLetsGo) {
  {
    apply(0);
    const Snapshot held = table_.snapshot();
    table_.end_flush(*table_.begin_flush(), {});
    EXPECT_GT(budget_.used(), 0U);
  }
  EXPECT_EQ(budget_.used(), 0U);
}

TEST_F(TableTest, RowsOfAnOlderSchemaAreWidenedWhenTheyComeLate) {
  const auto wide = batch_of({times({1}), doubles("n", {1.5}), texts("s", {"x"})}, 1);
  table_.adopt(admitted(table_.schema(), wide));
  apply(0);  // was admitted before the change
  table_.apply(Offset{1}, wide, {});
  const Snapshot snapshot = table_.snapshot();
  ASSERT_EQ(snapshot.hot.size(), 1U);
  const auto view = snapshot.hot[0].chunk->column(1);
  EXPECT_EQ(view.type, columnar::ColumnType::kF64);
  EXPECT_EQ(reinterpret_cast<const double*>(view.values)[0], 0.0);
  EXPECT_TRUE(snapshot.hot[0].chunk->column(2).is_null(0));
}

TEST_F(TableTest, ARetiredTableForgetsItsRowsAndFlushesNoMore) {
  apply(0);
  table_.retire([] {});
  EXPECT_TRUE(table_.is_retired());
  EXPECT_TRUE(hot().empty());
  EXPECT_FALSE(table_.begin_flush().has_value());
  EXPECT_EQ(budget_.used(), 0U);
}

TEST_F(TableTest, TheLastSnapshotOfARetiredTableGivesItsFilesUp) {
  std::optional<Snapshot> first = table_.snapshot();
  std::optional<Snapshot> second = first;
  int given_up = 0;
  table_.retire([&] { ++given_up; });
  EXPECT_EQ(table_.snapshot().folder, nullptr);
  first.reset();
  EXPECT_EQ(given_up, 0);
  second.reset();
  EXPECT_EQ(given_up, 1);
}

TEST_F(TableTest, WithoutSnapshotsARetiredTableGivesItsFilesUpAtOnce) {
  static_cast<void>(table_.snapshot());
  int given_up = 0;
  table_.retire([&] { ++given_up; });
  EXPECT_EQ(given_up, 1);
}

TEST_F(TableTest, WaitingForRowsEndsAtTheDeadline) {
  EXPECT_FALSE(table_.wait_applied(Offset{1}, runtime::Deadline::after({}, clock_)));
  std::thread writer([&] { apply(0); });
  EXPECT_TRUE(table_.wait_applied(Offset{1}, runtime::Deadline::never()));
  writer.join();
}

/// Rows of (time, text).
columnar::ColumnBatch wordy(size_t rows, const std::string& text) {
  std::vector<int64_t> at(rows);
  std::iota(at.begin(), at.end(), 0);
  return batch_of({times(at), texts("text", std::vector<std::string>(rows, text))}, rows);
}

TEST_F(TableTest, NobodyWaitsForAReplayThatFailed) {
  auto shards = runtime::ShardSet::start(1, "table").value();
  const auto ask = [&] {
    return runtime::block_on(shards->shard(0), table_.until_replayed(runtime::Deadline::never()));
  };
  bool is_ready = true;
  std::thread waiting([&] { is_ready = ask(); });
  table_.fail_replay(make_error(Code::kCorrupt, "no"));
  waiting.join();
  EXPECT_FALSE(is_ready);
  EXPECT_FALSE(ask());
  EXPECT_EQ(table_.damage()->message, "no");
}

class WordyTable : public testing::Test {
 protected:
  WordyTable() { table_.adopt(admitted(nullptr, wordy(1, "x"))); }

  void apply(const columnar::ColumnBatch& batch) {
    table_.apply(next_, batch, {});
    next_ = next_ + 1;
  }

  MemoryBudget budget_{"hot rows", size_t{1} << 30};
  Table table_{{"main", "t"}, {}, Offset{0}, budget_, system_clock()};
  Offset next_{0};
};

TEST_F(WordyTable, MemoryGrowsWithItsRows) {
  constexpr size_t kMiB = size_t{1} << 20;
  for (int i = 0; i < 60; ++i) {
    apply(wordy(1000, "short"));
  }
  const size_t before = budget_.used();
  EXPECT_LT(before, 60'000 * 60U);
  // One long string behind many short ones: room for 60,000 like it would be 57 GiB.
  apply(wordy(1, std::string(kMiB, 'x')));
  EXPECT_LT(budget_.used() - before, 6 * kMiB);
  apply(wordy(10, std::string(kMiB, 'y')));
  EXPECT_LT(budget_.used() - before, 18 * kMiB);
  EXPECT_EQ(table_.hot().rows, 60'011U);
  EXPECT_EQ(table_.hot().bytes, budget_.used());
}

TEST_F(WordyTable, AFewLongRowsDoNotAskForManyMore) {
  apply(wordy(1, std::string(100'000, 'x')));
  EXPECT_LT(budget_.used(), 5U << 20);
}

runtime::Task<void> write(Table& table, std::atomic<int64_t>& next, int64_t end) {
  for (;;) {
    const int64_t n = next.fetch_add(1);
    if (n >= end) {
      co_return;
    }
    table.apply(Offset{n}, row(n), {});
    co_await table.until_applied(Offset{n + 1});
    EXPECT_GE(table.applied(), Offset{n + 1});
  }
}

runtime::Task<void> close(runtime::Gate& gate) {
  co_await gate.close();
}

TEST_F(TableTest, EveryRowIsInExactlyOnePlaceWhileAllGoesOn) {
  constexpr int64_t kRows = 4000;
  auto shards = runtime::ShardSet::start(2, "table").value();
  std::atomic<int64_t> next{0};
  runtime::Gate gate;
  for (size_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(gate.spawn(shards->shard(i % 2), "writer", write(table_, next, kRows)));
  }
  // A file's path is the number of its rows.
  std::thread flusher([&] {
    while (table_.flushed() < Offset{kRows}) {
      if (const auto unit = table_.begin_flush()) {
        table_.end_flush(*unit, {TableFile{.path = std::to_string(unit->rows),
                                           .first = unit->first,
                                           .next = unit->next,
                                           .rows = unit->rows}});
      }
    }
  });
  int64_t seen = 0;
  while (seen < kRows) {
    const Offset applied = table_.applied();
    const Snapshot snapshot = table_.snapshot();
    int64_t rows = 0;
    for (const std::string& file : snapshot.files) {
      rows += std::stoll(file);
    }
    for (const HotRows& hot : snapshot.hot) {
      const auto* values = reinterpret_cast<const int64_t*>(hot.chunk->column(1).values);
      for (size_t i = 0; i < hot.rows; ++i) {
        ASSERT_EQ(values[i], rows + static_cast<int64_t>(i));
      }
      rows += static_cast<int64_t>(hot.rows);
    }
    ASSERT_GE(rows, applied.value);
    ASSERT_GE(rows, seen);
    seen = rows;
  }
  flusher.join();
  runtime::block_on(shards->shard(0), close(gate));
  EXPECT_EQ(budget_.used(), 0U);
}

}  // namespace
}  // namespace millrace::tables
