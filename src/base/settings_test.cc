#include "base/settings.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace millrace {
namespace {

using testing::HasSubstr;

const SettingSchema& schema() {
  static const SettingSchema all{
      {"data", SettingKind::kText, "", 0, 0, {}, "directory"},
      {"journal.max_bytes", SettingKind::kBytes, "1GiB", 1 << 20, int64_t{1} << 40, {}, "budget"},
      {"server.drain_ms", SettingKind::kDurationMs, "10s", 0, 60'000, {}, "drain"},
      {"topic.partitions", SettingKind::kInteger, "4", 1, 100, {}, "partitions"},
      {"insecure", SettingKind::kBoolean, "false", 0, 1, {}, "allow"},
      {"log.level",
       SettingKind::kChoice,
       "normal",
       0,
       0,
       {"silent", "normal", "verbose"},
       "how much"},
  };
  return all;
}

Result<Settings> load(std::map<std::string, std::string> flags,
                      std::map<std::string, std::string> variables = {}, std::string file = "") {
  return Settings::load(schema(), {std::move(flags), std::move(variables), std::move(file)});
}

class TomlFile {
 public:
  explicit TomlFile(const std::string& content)
      : path_(testing::TempDir() + fmt::format("settings-{}.toml", getpid())) {
    std::ofstream(path_) << content;
  }

  ~TomlFile() { ::unlink(path_.c_str()); }

  TomlFile(const TomlFile&) = delete;
  TomlFile& operator=(const TomlFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(Settings, FlagsBeatVariablesBeatTheFileBeatTheDefault) {
  const TomlFile file("data = \"file\"\n[topic]\npartitions = 5\n[log]\nlevel = \"silent\"\n");
  const auto settings =
      load({{"data", "flag"}}, {{"MILLRACE_DATA", "variable"}, {"MILLRACE_TOPIC_PARTITIONS", "6"}},
           file.path());
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_EQ(settings->text("data"), "flag");
  EXPECT_EQ(settings->number("topic.partitions"), 6);
  EXPECT_EQ(settings->text("log.level"), "silent");
  EXPECT_EQ(settings->number("server.drain_ms"), 10'000);
  EXPECT_TRUE(settings->is_given("data"));
  EXPECT_FALSE(settings->is_given("server.drain_ms"));
}

TEST(Settings, UnitsAndTheEdgesOfRanges) {
  EXPECT_EQ(load({{"journal.max_bytes", "64MiB"}})->number("journal.max_bytes"), 64 << 20);
  EXPECT_EQ(load({{"journal.max_bytes", "1048576"}})->number("journal.max_bytes"), 1 << 20);
  EXPECT_FALSE(load({{"journal.max_bytes", "1048575"}}).ok());
  EXPECT_TRUE(load({{"journal.max_bytes", "1024GiB"}}).ok());
  EXPECT_FALSE(load({{"journal.max_bytes", "1025GiB"}}).ok());
  EXPECT_FALSE(load({{"journal.max_bytes", "9999999999999GiB"}}).ok());
  EXPECT_EQ(load({{"server.drain_ms", "250ms"}})->number("server.drain_ms"), 250);
  EXPECT_EQ(load({{"server.drain_ms", "1m"}})->number("server.drain_ms"), 60'000);
  EXPECT_FALSE(load({{"server.drain_ms", "60001"}}).ok());
  for (const char* bad : {"", "0", "101", "4x", "1.5", " 4", "-1"}) {
    EXPECT_FALSE(load({{"topic.partitions", bad}}).ok()) << bad;
  }
}

TEST(Settings, RefusalsNameSourceSettingValueAndWhatIsAllowed) {
  EXPECT_EQ(load({}, {{"MILLRACE_TOPIC_PARTITIONS", "0"}}).error().message,
            "MILLRACE_TOPIC_PARTITIONS: topic.partitions is \"0\", must be 1 to 100");
  EXPECT_THAT(load({{"journal.max_bytes", "big"}}).error().message,
              HasSubstr("must be 1 MiB to 1024 GiB"));
  EXPECT_THAT(load({{"log.level", "loud"}}).error().message,
              HasSubstr("must be silent, normal or verbose"));
  EXPECT_THAT(load({{"insecure", "maybe"}}).error().message, HasSubstr("true or false"));
  EXPECT_EQ(load({{"topic.partitions", "101"}}).error().message,
            "--topic-partitions: topic.partitions is \"101\", must be 1 to 100");
  EXPECT_EQ(unknown_flag(schema(), "--jurnal-max-bytes").message,
            "flag: there is no setting --jurnal-max-bytes; did you mean --journal-max-bytes?");
  EXPECT_THAT(load({}, {{"MILLRACE_DATTA", "x"}}).error().message,
              HasSubstr("did you mean MILLRACE_DATA?"));
  const TomlFile unknown("[journal]\nmax_byte = 5\n");
  EXPECT_THAT(load({}, {}, unknown.path()).error().message,
              HasSubstr("did you mean journal.max_bytes?"));
}

TEST(Settings, FlagsAndVariablesAreNamedAfterTheSetting) {
  const SettingSpec& spec = schema()[1];
  EXPECT_EQ(spec.flag(), "--journal-max-bytes");
  EXPECT_EQ(spec.variable(), "MILLRACE_JOURNAL_MAX_BYTES");
}

TEST(Settings, EdgesOfEveryKind) {
  EXPECT_EQ(load({{"journal.max_bytes", "1MiB"}})->number("journal.max_bytes"), 1 << 20);
  EXPECT_FALSE(load({{"journal.max_bytes", "1023KiB"}}).ok());
  EXPECT_EQ(load({{"journal.max_bytes", "1099511627776B"}})->number("journal.max_bytes"),
            int64_t{1} << 40);
  EXPECT_FALSE(load({{"journal.max_bytes", "1099511627777"}}).ok());
  EXPECT_FALSE(load({{"journal.max_bytes", "64MB"}}).ok());  // units of 1000 are not guessed at
  EXPECT_EQ(load({{"server.drain_ms", "0"}})->number("server.drain_ms"), 0);
  EXPECT_EQ(load({{"server.drain_ms", "60000"}})->number("server.drain_ms"), 60'000);
  EXPECT_FALSE(load({{"server.drain_ms", "-1ms"}}).ok());
  EXPECT_FALSE(load({{"server.drain_ms", "61s"}}).ok());
  EXPECT_EQ(load({{"topic.partitions", "1"}})->number("topic.partitions"), 1);
  EXPECT_EQ(load({{"topic.partitions", "100"}})->number("topic.partitions"), 100);
  EXPECT_TRUE(load({{"insecure", "true"}})->boolean("insecure"));
  EXPECT_FALSE(load({{"insecure", "false"}})->boolean("insecure"));
  EXPECT_FALSE(load({{"insecure", ""}}).ok());
  EXPECT_EQ(load({{"log.level", "verbose"}})->number("log.level"), 2);
  EXPECT_FALSE(load({{"log.level", "Verbose"}}).ok());
  EXPECT_EQ(load({{"data", ""}})->text("data"), "");
}

TEST(Settings, VariablesOfTheBuildAreNoSettings) {
  ASSERT_EQ(::setenv("MILLRACE_DEPS", "/deps", 1), 0);  // NOLINT(concurrency-mt-unsafe): one thread
  ASSERT_EQ(::setenv("MILLRACE_OTHER", "1", 1), 0);     // NOLINT(concurrency-mt-unsafe): one thread
  for (const char* of_kubernetes : {"MILLRACE_SERVICE_HOST", "MILLRACE_PORT_9092_TCP"}) {
    ASSERT_EQ(::setenv(of_kubernetes, "1", 1), 0);  // NOLINT(concurrency-mt-unsafe): one thread
  }
  const auto variables = millrace_variables();
  EXPECT_FALSE(variables.contains("MILLRACE_DEPS"));
  EXPECT_FALSE(variables.contains("MILLRACE_SERVICE_HOST"));
  EXPECT_FALSE(variables.contains("MILLRACE_PORT_9092_TCP"));
  EXPECT_EQ(variables.at("MILLRACE_OTHER"), "1");
  ASSERT_EQ(::unsetenv("MILLRACE_OTHER"), 0);  // NOLINT(concurrency-mt-unsafe): one thread
}

TEST(Settings, BadFilesAreNamedWithTheirLine) {
  const TomlFile broken("data = \"x\"\n[journal\n");
  EXPECT_THAT(load({}, {}, broken.path()).error().message, HasSubstr("line 2"));
  const TomlFile typed("data = [1, 2]\n");
  EXPECT_THAT(load({}, {}, typed.path()).error().message,
              HasSubstr("data is [ 1, 2 ], must be a text"));
  const TomlFile half("[topic]\npartitions = 1.5\n");
  EXPECT_THAT(load({}, {}, half.path()).error().message,
              HasSubstr("line 2: topic.partitions is 1.5, must be a text, a whole number"));
  EXPECT_EQ(load({}, {}, "/no/such/file.toml").error().code, Code::kNotFound);
}

TEST(Settings, TextsStandInQuotesInAFile) {
  const TomlFile number("data = 5\n");
  EXPECT_THAT(load({}, {}, number.path()).error().message,
              HasSubstr("data is 5, must be a text, in quotes"));
  const TomlFile choice("[log]\nlevel = true\n");
  EXPECT_FALSE(load({}, {}, choice.path()).ok());
  const TomlFile units("[journal]\nmax_bytes = \"64MiB\"\n[server]\ndrain_ms = 250\n");
  EXPECT_EQ(load({}, {}, units.path())->number("journal.max_bytes"), 64 << 20);
}

TEST(Settings, WhatIsNoNumberIsToldTheUnits) {
  EXPECT_THAT(load({{"journal.max_bytes", "20GB"}}).error().message,
              HasSubstr("or of KiB, MiB or GiB, as 64MiB"));
  EXPECT_THAT(load({{"server.drain_ms", "soon"}}).error().message, HasSubstr("ms, s, m or h"));
  EXPECT_THAT(load({{"journal.max_bytes", "5"}}).error().message,
              testing::Not(HasSubstr("KiB, MiB")));
}

TEST(Settings, ZeroMayStandApartFromTheRange) {
  const SettingSchema some{
      {"budget", SettingKind::kBytes, "0", 1 << 20, INT64_MAX, {}, "0: as it comes", true}};
  const auto with = [&some](const char* text) {
    return Settings::load(some, {{{"budget", text}}, {}, ""});
  };
  EXPECT_EQ(with("0")->number("budget"), 0);
  EXPECT_EQ(with("1MiB")->number("budget"), 1 << 20);
  EXPECT_THAT(with("1048575").error().message, HasSubstr("must be 0 or at least 1 MiB"));
  EXPECT_FALSE(with("-1").ok());
}

TEST(Settings, TypesAreNamedForHelp) {
  EXPECT_EQ(schema()[1].type_name(), "SIZE");
  EXPECT_EQ(schema()[2].type_name(), "DURATION");
  EXPECT_EQ(schema()[4].type_name(), "BOOL");
  EXPECT_EQ(schema()[5].type_name(), "silent|normal|verbose");
}

}  // namespace
}  // namespace millrace
