#include "tables/databases.h"

#include "tables/tables_test.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::tables {
namespace {

using testing::ElementsAre;

class DatabasesTest : public TablesTest {
 protected:
  Status create(std::string name) {
    return runtime::block_on(shards_->shard(0), tables_->create_database(std::move(name)));
  }
};

TEST_F(DatabasesTest, ACreatedOneIsThereAfterACrashAndARotation) {
  EXPECT_THAT(tables_->databases(), ElementsAre("main"));
  ASSERT_TRUE(create("metrics").ok());
  ASSERT_TRUE(create("sixteen_bytes_ab").ok());  // as long as a topic's id
  ASSERT_TRUE(create("metrics").ok());
  for (int life = 0; life < 3; ++life) {
    EXPECT_THAT(tables_->databases(), ElementsAre("main", "metrics", "sixteen_bytes_ab"));
    for (int i = 0; i < 200; ++i) {  // several files of the journal, of which the first are freed
      write("cpu", 100 * i, 100);
    }
    ASSERT_TRUE(flush("cpu").ok());
    kill();
    start();
  }
}

TEST_F(DatabasesTest, ThoseOfTablesAreThereWithoutIt) {
  tables_->add({"other", "cpu"}, topic_of("cpu"));
  EXPECT_THAT(tables_->databases(), ElementsAre("main", "other"));
}

TEST_F(DatabasesTest, NamesAreJudged) {
  for (const std::string& name : {std::string(), std::string(81, 'x'), std::string("a\nb")}) {
    EXPECT_EQ(create(name).error().code, Code::kInvalid) << name;
  }
  EXPECT_THAT(tables_->databases(), ElementsAre("main"));
}

}  // namespace
}  // namespace millrace::tables
