#include "tables/table_name.h"

#include <gtest/gtest.h>

namespace millrace::tables {
namespace {

TEST(TableName, PlainNamesStayReadable) {
  EXPECT_EQ(topic_name_of({"main", "cpu_load-1"}), "main.cpu_load-1");
}

TEST(TableName, NoTwoTablesShareATopic) {
  EXPECT_EQ(topic_name_of({"a.b", "c"}), "a%2Eb.c");
  EXPECT_EQ(topic_name_of({"a", "b.c"}), "a.b%2Ec");
  EXPECT_EQ(topic_name_of({"a%2Eb", "c"}), "a%252Eb.c");
}

TEST(TableName, NothingLeavesItsFolder) {
  TopicId topic;
  topic.bytes = {0x0a, 0x1b, 0x2c, 0x3d};
  EXPECT_EQ(folder_of({"main", "cpu"}, topic), "main/cpu~0a1b2c3d");
  EXPECT_EQ(folder_of({"..", "../x"}, topic), "%2E%2E/%2E%2E%2Fx~0a1b2c3d");
  EXPECT_EQ(folder_of({"münchen", "a b"}, topic), "m%C3%BCnchen/a%20b~0a1b2c3d");
}

TEST(TableName, RefusesWhatCannotBeAName) {
  const std::string longest(kMostTableNameBytes, 'x');
  EXPECT_TRUE(validate({"main", longest}).ok());
  EXPECT_EQ(validate({"main", longest + "x"}).error().code, Code::kInvalid);
  EXPECT_EQ(validate({"", "cpu"}).error().message, "database name of 0 bytes: must be 1 to 80");
  EXPECT_EQ(validate({"main", "a\nb"}).error().message, "measurement name has a control character");
  EXPECT_EQ(validate({"main", "\xff"}).error().message, "measurement name is not UTF-8");
  EXPECT_TRUE(validate({"main", "grüße \"x\" / ."}).ok());
}

}  // namespace
}  // namespace millrace::tables
