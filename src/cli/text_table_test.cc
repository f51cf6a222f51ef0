#include "cli/text_table.h"

#include "cli/display_width.h"

#include <gtest/gtest.h>

#include <sstream>

namespace millrace::cli {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

TableColumn number(std::string name) {
  return {.name = std::move(name), .is_right = true, .may_cut = false};
}

TEST(DisplayWidth, CountsWhatATerminalShows) {
  EXPECT_EQ(display_width(""), 0U);
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("\u00e9\u00df"), 2U);
  EXPECT_EQ(display_width("e\u0301"), 1U);       // a combining accent
  EXPECT_EQ(display_width("\u6771\u4eac"), 4U);  // Tokyo
  EXPECT_EQ(display_width("\uac00"), 2U);        // Hangul
  EXPECT_EQ(display_width("\U0001F600"), 2U);    // an emoji
  EXPECT_EQ(display_width("\u250c\u2500"), 2U);  // box drawing, as EXPLAIN has it
  EXPECT_EQ(display_width("\xff\xc3"), 2U);      // no UTF-8: a byte each
  EXPECT_EQ(display_width("\xe6\x9d"
                          "a"),
            3U);  // a character cut short
}

TEST(DisplayWidth, CutsAtACharacterAndSaysSo) {
  EXPECT_EQ(cut_to("abcd", 4), "abcd");
  EXPECT_EQ(cut_to("abcde", 4), "abc\u2026");
  EXPECT_EQ(cut_to("abcde", 1), "\u2026");
  EXPECT_EQ(cut_to("\u6771\u4eac\u90fd", 5), "\u6771\u4eac\u2026");
  EXPECT_EQ(cut_to("\u6771\u4eac\u90fd", 4), "\u6771\u2026");  // half a wide one is none
  EXPECT_EQ(cut_to("\u6771\u4eac\u90fd", 6), "\u6771\u4eac\u90fd");
  EXPECT_EQ(cut_to("e\u0301e\u0301e\u0301", 2), "e\u0301\u2026");  // the accent stays
}

TEST(DisplayWidth, ControlCharactersDoNotReachTheTerminal) {
  EXPECT_EQ(make_printable("a\tb\r\x1b[31m\x7f"), "a\\tb\\r\\x1b[31m\\x7f");
  EXPECT_EQ(make_printable("\u009b"
                           "31m"),
            "\\x9b31m");  // CSI of C1
  EXPECT_EQ(make_printable("a\nb \u6771"), "a\nb \u6771");
}

TEST(TextTable, AlignsNumbersRightAndTextLeft) {
  TextTable table({{"host"}, number("n")}, TableLines::kRuled);
  table.add({"a", "1"});
  table.add({"bcdefg", "1234"});
  EXPECT_EQ(table.format(0),
            "host   |    n\n"
            "-------+-----\n"
            "a      |    1\n"
            "bcdefg | 1234\n");
  EXPECT_EQ(table.rows(), 2U);
}

TEST(TextTable, WithoutLinesHasTwoBlanksAndNoBlanksAtTheEnd) {
  TextTable table({{"TABLE"}, number("ROWS"), {"STATE"}}, TableLines::kNone);
  table.add({"main.cpu", "7", ""});
  EXPECT_EQ(table.format(0), "TABLE     ROWS  STATE\nmain.cpu     7\n");
}

TEST(TextTable, WideCharactersKeepColumnsStraight) {
  TextTable table({{"city"}, {"x"}}, TableLines::kRuled);
  table.add({"\u6771\u4eac", "1"});
  table.add({"Bern", "2"});
  EXPECT_EQ(table.format(0),
            "city | x\n"
            "-----+--\n"
            "\u6771\u4eac | 1\n"
            "Bern | 2\n");
}

TEST(TextTable, CutsTheLongestTextToTheTerminalAndNoNumber) {
  TextTable table({{"short"}, {"long"}, number("n")}, TableLines::kRuled);
  table.add({"abcde", std::string(200, 'x'), "123456789012345"});
  for (const std::string& line : lines_of(table.format(50))) {
    EXPECT_LE(display_width(line), 50U) << line;
  }
  const std::string row = lines_of(table.format(50))[2];
  EXPECT_EQ(row, "abcde | " + std::string(23, 'x') + "\u2026 | 123456789012345");
  EXPECT_EQ(lines_of(table.format(0))[2].size(), 5 + 3 + 200 + 3 + 15U);
  EXPECT_EQ(table.format(229), table.format(0));
  EXPECT_NE(table.format(225), table.format(0));  // one column too narrow
  EXPECT_EQ(table.format(226), table.format(0));
}

TEST(TextTable, ATerminalThatIsTooNarrowStillShowsNumbersWhole) {
  TextTable table({{"text"}, number("n")}, TableLines::kRuled);
  table.add({std::string(100, 'x'), "123456789012345"});
  const std::string row = lines_of(table.format(3))[2];
  EXPECT_EQ(row, "xxxxxxx\u2026 | 123456789012345");
}

TEST(TextTable, ACellOfSeveralLinesTakesSeveralLines) {
  TextTable table({{"key"}, {"plan"}}, TableLines::kRuled);
  table.add({"p", "one\ntwo\n"});
  table.add({"q", "\x1b[2J"});
  EXPECT_EQ(table.format(0),
            "key | plan\n"
            "----+--------\n"
            "p   | one\n"
            "    | two\n"
            "q   | \\x1b[2J\n");
}

TEST(TextTable, ARowOfAnotherLengthIsMadeToFit) {
  TextTable table({{"a"}, {"b"}}, TableLines::kRuled);
  table.add({"1"});
  table.add({"1", "2", "3"});
  EXPECT_EQ(table.format(0), "a | b\n--+--\n1 |\n1 | 2\n");
}

TEST(TextTable, HasItsNamesWhenThereAreNoRows) {
  TextTable table({{"a"}, number("count(\n*)")}, TableLines::kRuled);
  EXPECT_EQ(table.format(0), "a | count( *)\n--+----------\n");
}

}  // namespace
}  // namespace millrace::cli
