#include "cli/help.h"

#include "cli/usage.h"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

TEST(Wrap, BreaksAtBlanksAndIndentsWhatFollows) {
  EXPECT_EQ(wrap("", 10), "");
  EXPECT_EQ(wrap("one two three", 13), "one two three");
  EXPECT_EQ(wrap("one two three", 12), "one two\nthree");
  EXPECT_EQ(wrap("one two three", 7, 2), "one two\n  three");
  EXPECT_EQ(wrap("a wordlongerthanthat b", 6), "a\nwordlongerthanthat\nb");
  EXPECT_EQ(wrap("東京 東京", 8), "東京\n東京");
  EXPECT_EQ(wrap("a b\n\nc d\n", 3), "a b\n\nc d\n");
}

TEST(Nearest, FindsSlipsAndBeginnings) {
  const std::vector<std::string> verbs = {"serve", "topic", "produce", "describe", "delete"};
  EXPECT_EQ(nearest("srve", verbs), "serve");
  EXPECT_EQ(nearest("delte", verbs), "delete");
  EXPECT_EQ(nearest("prod", verbs), "produce");
  EXPECT_EQ(nearest("describes", verbs), "describe");
  EXPECT_EQ(nearest("alter", verbs), std::nullopt);
  EXPECT_EQ(nearest("", verbs), std::nullopt);
  EXPECT_EQ(nearest("x", {}), std::nullopt);
  EXPECT_EQ(did_you_mean("srve", verbs), "; did you mean serve?");
  EXPECT_EQ(did_you_mean("alter", verbs), "");
}

}  // namespace
}  // namespace millrace::cli
