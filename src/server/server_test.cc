#include "io/simulated_disk.h"
#include "server/budgets.h"
#include "server/media.h"
#include "server/options.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::server {
namespace {

using testing::HasSubstr;

Result<Options> options_of(std::map<std::string, std::string> flags) {
  MILLRACE_TRY(const Settings settings,
               Settings::load(settings_schema(), {std::move(flags), {}, ""}));
  return options_from(settings);
}

TEST(ServerOptions, DefaultsAreTheDocumentedOnes) {
  const auto options = options_of({{"data", "/d"}});
  ASSERT_TRUE(options.ok()) << options.error().message;
  EXPECT_EQ(options->kafka.to_string(), "127.0.0.1:9092");
  EXPECT_EQ(options->http.to_string(), "127.0.0.1:8086");
  EXPECT_EQ(options->default_partitions, 4);
  EXPECT_EQ(options->flush_bytes, 64U << 20);
  EXPECT_EQ(options->flush_rows, 1U << 20);
  EXPECT_EQ(options->flush_age, std::chrono::minutes(10));
  EXPECT_EQ(options->journal_file_bytes, 256U << 20);
  EXPECT_EQ(options->drain, std::chrono::seconds(10));
}

TEST(ServerOptions, RefusesWhatCannotBeServed) {
  EXPECT_THAT(options_of({}).error().message, HasSubstr("--data DIR"));
  EXPECT_THAT(options_of({{"data", "/d"}, {"kafka", "nonsense"}}).error().message,
              HasSubstr("kafka: "));
  EXPECT_THAT(options_of({{"data", "/d"}, {"kafka", "192.0.2.1:9092"}}).error().message,
              HasSubstr("--insecure"));
  EXPECT_THAT(options_of({{"data", "/d"}, {"http", "192.0.2.1:8086"}}).error().message,
              HasSubstr("http: 192.0.2.1:8086 can be reached"));
  EXPECT_THAT(
      options_of({{"data", "/d"}, {"kafka", "0.0.0.0:9092"}, {"insecure", "true"}}).error().message,
      HasSubstr("--kafka-advertise"));
  EXPECT_TRUE(options_of({{"data", "/d"}, {"kafka", "192.0.2.1:9092"}, {"insecure", "true"}}).ok());
}

TEST(ServerOptions, RefusesByNameWhatOnlyAStartWouldFind) {
  EXPECT_THAT(options_of({{"data", "/d"}, {"memory.max_bytes", "1"}}).error().message,
              HasSubstr("memory.max_bytes is \"1\", must be 0 or at least 64 MiB"));
  EXPECT_THAT(options_of({{"data", "/d"}, {"journal.max_bytes", "1"}}).error().message,
              HasSubstr("journal.max_bytes is \"1\", must be 0 or at least 8 MiB"));
  EXPECT_THAT(options_of({{"data", "/d"}, {"kafka_advertise", "foo:0"}}).error().message,
              HasSubstr("kafka_advertise: foo:0 has port 0"));
  EXPECT_THAT(options_of({{"data", "/dev/null"}}).error().message,
              HasSubstr("data: /dev/null is not a directory"));
  EXPECT_THAT(options_of({{"data", "/d"}, {"http", "http://127.0.0.1:1"}}).error().message,
              HasSubstr("leave out http://"));
  EXPECT_THAT(
      options_of({{"data", "/d"}, {"journal.file_bytes", "9MiB"}, {"journal.max_bytes", "64MiB"}})
          .error()
          .message,
      HasSubstr("journal.file_bytes: 9437184 is more than an eighth of journal.max_bytes, "
                "which is 67108864"));
  EXPECT_TRUE(options_of({{"data", "/d"}, {"journal.max_bytes", "64MiB"}}).ok());
}

TEST(Budgets, FilesFitEightTimesIntoTheBudget) {
  io::SimulatedDisk disk(1);
  ASSERT_TRUE(disk.make_directories("/d/journal").ok());
  Options options;
  options.data = "/d";
  options.journal_file_bytes = 256 << 20;
  options.journal_max_bytes = 64 << 20;
  EXPECT_EQ(journal_limits(disk, options)->file_bytes, 8U << 20);
  options.journal_max_bytes = 8 << 20;
  EXPECT_EQ(journal_limits(disk, options)->file_bytes, 1U << 20);
  options.journal_max_bytes = (8 << 20) - 1;
  EXPECT_EQ(journal_limits(disk, options).error().code, Code::kInvalid);
  options.journal_max_bytes = 0;
  EXPECT_EQ(journal_limits(disk, options)->max_bytes, uint64_t{50} << 30);  // the disk has 1 TiB
}

TEST(Media, RunsAreLargerWhereADiskTurnsUnlessTheirSizeIsSaid) {
  constexpr uint64_t kMiB = 1 << 20;
  EXPECT_EQ(run_bytes({"ext4", false, false}, 0), 4 * kMiB);
  EXPECT_EQ(run_bytes({"ext4", false, true}, 0), 16 * kMiB);
  EXPECT_EQ(run_bytes({"ext4", false, true}, kMiB), kMiB);
  EXPECT_EQ(options_of({{"data", "/d"}, {"journal.run_bytes", "1MiB"}})->journal_run_bytes, kMiB);
  EXPECT_EQ(options_of({{"data", "/d"}, {"journal.run_bytes", "65535"}}).error().code,
            Code::kInvalid);
}

TEST(Budgets, SharesAddUpToLessThanTheWhole) {
  const Budgets budgets = budgets_for(1000);
  EXPECT_EQ(budgets.request_buffers, 160U);
  EXPECT_EQ(budgets.tail_cache, 50U);
  EXPECT_EQ(budgets.reads, 50U);
  EXPECT_EQ(budgets.journal_chunks, 30U);
  EXPECT_EQ(budgets.segment_indexes, 10U);
  EXPECT_EQ(budgets.hot_rows, 450U);
  EXPECT_EQ(budgets.queries, 250U);
  EXPECT_GT(budgets_for(0).total, 0U);
}

}  // namespace
}  // namespace millrace::server
