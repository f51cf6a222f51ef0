// What every catalog does, run on all of them.
#include "catalog/catalog.h"

#include "catalog/catalog_test.h"

#include <array>
#include <limits>
#include <thread>

namespace millrace::catalog {
namespace {

INSTANTIATE_TEST_SUITE_P(Kinds, CatalogTest, testing::ValuesIn(kKinds), name_of_kind);

TEST_P(CatalogTest, IsNewUntilItHasBegun) {
  EXPECT_TRUE(stored().is_new);
  EXPECT_TRUE(stored().is_new) << "opening made one";
  EXPECT_EQ(stored().directory, std::nullopt);
  begun();
  Contents empty;
  empty.directory = directory_id();
  EXPECT_EQ(stored(), empty);
}

TEST_P(CatalogTest, BrokerPartComesBackInOrder) {
  EXPECT_OK(begun()->commit_broker(broker_part()));
  Contents contents = stored();
  EXPECT_EQ(contents.broker_place, place_of(7));
  EXPECT_EQ(contents.tables_place, std::nullopt);
  const BrokerPart part = broker_part();
  EXPECT_EQ(contents.topics, (std::vector{part.topics[1], part.topics[0]}));
  EXPECT_EQ(contents.partitions, (std::vector{part.partitions[1], part.partitions[0]}));
}

TEST_P(CatalogTest, BrokerPartReplacesTheOneBeforeAndNothingElse) {
  auto catalog = begun();
  EXPECT_OK(catalog->commit_broker(broker_part()));
  EXPECT_OK(catalog->commit_flush(flush_of(2, 0, 0, 10)));
  BrokerPart part;
  part.topics.push_back({topic_id(9), "orders", 2, false, 0, {{"", std::string("\0'", 2)}}});
  part.place = place_of(8);
  EXPECT_OK(catalog->commit_broker(part));
  const Contents contents = stored();
  EXPECT_EQ(contents.topics, part.topics);
  EXPECT_TRUE(contents.partitions.empty());
  EXPECT_EQ(contents.files, flush_of(2, 0, 0, 10).files);
  EXPECT_EQ(contents.broker_place, place_of(8));
  EXPECT_EQ(contents.tables_place, place_of(10));
}

TEST_P(CatalogTest, FlushesOfOnePartitionGoOnFromOneAnother) {
  auto catalog = begun();
  EXPECT_OK(catalog->commit_flush(flush_of(2, 1, 0, 10, 2)));
  EXPECT_OK(catalog->commit_flush(flush_of(2, 1, 10, 11, 0)));  // no rows in it
  EXPECT_OK(catalog->commit_flush(flush_of(2, 0, 0, 4)));
  EXPECT_OK(catalog->commit_flush(flush_of(1, 0, 0, 1)));
  const Contents contents = stored();
  EXPECT_EQ(contents.table_offsets,
            (std::map<TopicPartition, Offset>{{partition_of(1, 0), Offset{1}},
                                              {partition_of(2, 0), Offset{4}},
                                              {partition_of(2, 1), Offset{11}}}));
  std::vector<FileRow> files;
  for (const FlushCommit& flush :
       {flush_of(1, 0, 0, 1), flush_of(2, 0, 0, 4), flush_of(2, 1, 0, 10, 2)}) {
    files.insert(files.end(), flush.files.begin(), flush.files.end());
  }
  EXPECT_EQ(contents.files, files);
  EXPECT_EQ(contents.tables, (std::vector{flush_of(1, 0, 0, 1).table, flush_of(2, 0, 0, 1).table}));
  EXPECT_EQ(contents.tables_place, place_of(1));  // of the last commit
}

TEST_P(CatalogTest, AFlushBringsItsTableUpToDate) {
  auto catalog = begun();
  EXPECT_OK(catalog->commit_flush(flush_of(2, 1, 0, 10)));
  FlushCommit wider = flush_of(2, 1, 10, 20);
  wider.table.schema_version = 4;
  wider.table.schema = std::string(100'000, 's');
  EXPECT_OK(catalog->commit_flush(wider));
  EXPECT_EQ(stored().tables, std::vector{wider.table});
}

TEST_P(CatalogTest, AFlushThatDoesNotGoOnIsAConflictAndWritesNothing) {
  auto catalog = begun();
  EXPECT_OK(catalog->commit_flush(flush_of(2, 1, 0, 10)));
  const Contents before = stored();
  EXPECT_CODE(kConflict, catalog->commit_flush(flush_of(2, 1, 9, 20)));
  EXPECT_CODE(kConflict, catalog->commit_flush(flush_of(2, 1, 11, 20)));
  EXPECT_CODE(kConflict, catalog->commit_flush(flush_of(2, 1, 0, 10)));  // the same again
  EXPECT_CODE(kConflict, catalog->commit_flush(flush_of(2, 1, 10, 10, 0)));
  EXPECT_CODE(kConflict, catalog->commit_flush(flush_of(2, 1, 10, 9, 0)));
  EXPECT_CODE(kConflict, catalog->commit_flush(flush_of(2, 0, 1, 2)));  // starts at 0
  EXPECT_EQ(stored(), before);
  EXPECT_OK(catalog->commit_flush(flush_of(2, 1, 10, 20)));
}

TEST_P(CatalogTest, APathThatIsThereAlreadyIsAConflictAndWritesNothing) {
  auto catalog = begun();
  EXPECT_OK(catalog->commit_flush(flush_of(2, 1, 0, 10)));
  const Contents before = stored();
  FlushCommit again = flush_of(2, 1, 10, 20, 2);
  again.files[1].path = flush_of(2, 1, 0, 10).files[0].path;
  EXPECT_CODE(kConflict, catalog->commit_flush(again));
  again = flush_of(2, 1, 10, 20, 2);
  again.files[1].path = again.files[0].path;
  EXPECT_CODE(kConflict, catalog->commit_flush(again));
  EXPECT_EQ(stored(), before);
}

TEST_P(CatalogTest, DroppingATableForgetsItAlone) {
  auto catalog = begun();
  EXPECT_OK(catalog->commit_flush(flush_of(1, 0, 0, 5)));
  EXPECT_OK(catalog->commit_flush(flush_of(2, 0, 0, 5)));
  EXPECT_OK(catalog->commit_flush(flush_of(2, 1, 0, 5)));
  EXPECT_OK(catalog->drop_table(topic_id(2), place_of(99)));
  EXPECT_OK(catalog->drop_table(topic_id(3), place_of(100)));  // there is none
  const Contents contents = stored();
  EXPECT_EQ(contents.tables, std::vector{flush_of(1, 0, 0, 5).table});
  EXPECT_EQ(contents.files, flush_of(1, 0, 0, 5).files);
  EXPECT_EQ(contents.table_offsets.size(), 1U);
  EXPECT_EQ(contents.tables_place, place_of(100));
  EXPECT_OK(catalog->commit_flush(flush_of(2, 0, 0, 5)));  // from the start again
}

TEST_P(CatalogTest, GreatestAndLeastValuesComeBack) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  auto catalog = begun();
  BrokerPart part = broker_part();
  part.topics[0].partitions = std::numeric_limits<int32_t>::max();
  part.topics[0].created_ms = std::numeric_limits<int64_t>::min();
  part.partitions = {
      {partition_of(2, std::numeric_limits<int32_t>::max()), Offset{kMost}, Offset{kMost}}};
  part.place = {FileNumber{static_cast<uint64_t>(kMost)}, static_cast<uint64_t>(kMost),
                RunNumber{static_cast<uint64_t>(kMost)}, 0xFFFFFFFF};
  EXPECT_OK(catalog->commit_broker(part));
  FlushCommit flush = flush_of(2, 0, 0, kMost);
  flush.place = place_of(1);
  flush.files[0].rows = flush.files[0].bytes = static_cast<uint64_t>(kMost);
  flush.files[0].min_time_us = std::numeric_limits<int64_t>::min();
  flush.files[0].max_time_us = kMost;
  flush.table.schema = "";
  EXPECT_OK(catalog->commit_flush(flush));
  const Contents contents = stored();
  EXPECT_EQ(contents.topics[1], part.topics[0]);
  EXPECT_EQ(contents.partitions, part.partitions);
  EXPECT_EQ(contents.broker_place, part.place);
  EXPECT_EQ(contents.files, flush.files);
  EXPECT_EQ(contents.tables[0].schema, "");
}

TEST_P(CatalogTest, RowsThatBreakARuleAreRefused) {
  auto catalog = begun();
  const Contents before = stored();
  const auto refuses_part = [&](auto change) {
    BrokerPart part = broker_part();
    change(part);
    EXPECT_CODE(kInvalid, catalog->commit_broker(part));
  };
  refuses_part([](BrokerPart& part) { part.topics[0].id = {}; });
  refuses_part([](BrokerPart& part) { part.topics[0].name = ""; });
  refuses_part([](BrokerPart& part) { part.topics[0].partitions = 0; });
  refuses_part([](BrokerPart& part) { part.topics[1].is_deleted = false; });  // the name twice
  refuses_part([](BrokerPart& part) { part.topics[1].id = part.topics[0].id; });
  refuses_part([](BrokerPart& part) { part.partitions[0].start = Offset{-1}; });
  refuses_part([](BrokerPart& part) { part.partitions[0].next = Offset{4}; });
  refuses_part([](BrokerPart& part) { part.partitions[1] = part.partitions[0]; });
  refuses_part([](BrokerPart& part) { part.place.position = uint64_t{1} << 63; });
  const auto refuses_flush = [&](auto change) {
    FlushCommit flush = flush_of(2, 0, 0, 10);
    change(flush);
    EXPECT_CODE(kInvalid, catalog->commit_flush(flush));
  };
  refuses_flush([](FlushCommit& flush) { flush.table.topic = topic_id(3); });
  refuses_flush([](FlushCommit& flush) { flush.table.measurement = ""; });
  refuses_flush([](FlushCommit& flush) { flush.files[0].partition = partition_of(2, 1); });
  refuses_flush([](FlushCommit& flush) { flush.files[0].next = Offset{11}; });
  refuses_flush([](FlushCommit& flush) { flush.files[0].next = Offset{0}; });
  refuses_flush([](FlushCommit& flush) { flush.files[0].rows = ~uint64_t{0}; });
  refuses_flush([](FlushCommit& flush) { flush.files[0].min_time_us = 1'800'000'000'000'000; });
  for (const char* path : {"", "/etc/passwd", "a/../../b", "a//b", "..", "a/."}) {
    refuses_flush([&](FlushCommit& flush) { flush.files[0].path = path; });
  }
  EXPECT_EQ(stored(), before);
}

TEST_P(CatalogTest, ContentsAreThoseOfTheOpening) {
  auto catalog = begun();
  EXPECT_OK(catalog->commit_broker(broker_part()));
  EXPECT_TRUE(catalog->contents().is_new);
  EXPECT_TRUE(catalog->contents().topics.empty());
}

TEST_P(CatalogTest, NothingIsCommittedBeforeBeginOrAfterClose) {
  auto catalog = place_->open().value();
  EXPECT_CODE(kInvalid, catalog->commit_broker(broker_part()));
  EXPECT_OK(catalog->begin(directory_id()));
  EXPECT_CODE(kInvalid, catalog->begin(directory_id()));
  EXPECT_OK(catalog->close());
  EXPECT_OK(catalog->close());
  EXPECT_CODE(kInvalid, catalog->commit_flush(flush_of(1, 0, 0, 1)));
  EXPECT_CODE(kInvalid, catalog->begin(directory_id()));
}

TEST_P(CatalogTest, AnotherDirectorysCatalogIsRefusedByName) {
  EXPECT_OK(begun()->commit_broker(broker_part()));
  const Contents before = stored();
  auto catalog = place_->open().value();
  const Status begun = catalog->begin(directory_id(2));
  ASSERT_FALSE(begun.ok());
  EXPECT_EQ(begun.error().code, Code::kCorrupt);
  EXPECT_NE(begun.error().message.find(directory_id(1).to_string()), std::string::npos);
  EXPECT_NE(begun.error().message.find(directory_id(2).to_string()), std::string::npos);
  EXPECT_CODE(kInvalid, catalog->drop_table(topic_id(1), place_of(1)));
  EXPECT_EQ(stored(), before);
}

TEST_P(CatalogTest, KeepsAllOverManyLivesWithGoodAndBadEnds) {
  int64_t at = 0;
  for (int life = 0; life < 6; ++life) {
    auto catalog = begun();
    EXPECT_EQ(catalog->contents().files.size(), static_cast<size_t>(at));
    for (int i = 0; i < 5; ++i, ++at) {
      EXPECT_OK(catalog->commit_flush(flush_of(2, 0, at, at + 1)));
    }
    if (life % 2 == 0) {
      EXPECT_OK(catalog->close());
    }
  }
  EXPECT_EQ(stored().table_offsets.at(partition_of(2, 0)), Offset{30});
}

TEST_P(CatalogTest, ThreadsMayCommitAtOnce) {
  auto catalog = begun();
  std::array<std::thread, 3> threads;
  for (size_t i = 0; i < threads.size(); ++i) {
    threads[i] = std::thread([&, partition = static_cast<int32_t>(i)] {
      for (int64_t at = 0; at < 20; ++at) {
        EXPECT_OK(catalog->commit_flush(flush_of(2, partition, at, at + 1)));
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(stored().files.size(), 60U);
}

TEST(MemoryCatalog, FailsAsToldAndOnlyOnce) {
  const auto store = std::make_shared<MemoryStore>();
  MemoryCatalog catalog(store);
  catalog.fail_next({make_error(Code::kIo, "no"), false});
  EXPECT_CODE(kIo, catalog.begin(directory_id()));
  EXPECT_OK(catalog.begin(directory_id()));
  catalog.fail_next({make_error(Code::kOverloaded, "full"), false});
  EXPECT_CODE(kOverloaded, catalog.commit_broker(broker_part()));
  EXPECT_OK(catalog.commit_broker(broker_part()));
  catalog.fail_next({make_error(Code::kIo, "perhaps"), true});
  EXPECT_CODE(kIo, catalog.commit_flush(flush_of(1, 0, 0, 1)));
  EXPECT_CODE(kReadOnly, catalog.commit_flush(flush_of(1, 0, 1, 2)));
  EXPECT_EQ(MemoryCatalog(store).contents().table_offsets.at(partition_of(1, 0)), Offset{1});
}

}  // namespace
}  // namespace millrace::catalog
