#include "kafka/error_map.h"

#include <gtest/gtest.h>

#include <map>

namespace millrace::kafka {
namespace {

constexpr auto kLast = Code::kInternal;

TEST(ErrorMap, EveryCodeHasItsNumber) {
  const std::map<Code, int> expected{
      {Code::kNotFound, 3},    {Code::kCorrupt, 2},        {Code::kIo, 56},
      {Code::kTimeout, 7},     {Code::kOutcomeUnknown, 7}, {Code::kCancelled, 6},
      {Code::kOverloaded, 56}, {Code::kConflict, 36},      {Code::kFenced, 47},
      {Code::kReadOnly, 56},   {Code::kForbidden, 29},     {Code::kInvalid, 42},
      {Code::kTooLarge, 10},   {Code::kUnsupported, 35},   {Code::kInternal, -1},
  };
  for (int code = 0; code <= static_cast<int>(kLast); ++code) {
    const auto each = static_cast<Code>(code);
    ASSERT_TRUE(expected.contains(each)) << name_of(each);
    EXPECT_EQ(static_cast<int>(error_code_of(each)), expected.at(each)) << name_of(each);
  }
  EXPECT_EQ(expected.size(), static_cast<size_t>(kLast) + 1);
}

TEST(ErrorMap, ABadBatchIsTheRecordsFaultNotTheRequests) {
  EXPECT_EQ(static_cast<int>(batch_error_code_of(Code::kInvalid)), 87);
  EXPECT_EQ(static_cast<int>(batch_error_code_of(Code::kUnsupported)), 43);
  EXPECT_EQ(static_cast<int>(batch_error_code_of(Code::kCorrupt)), 2);
  EXPECT_EQ(static_cast<int>(batch_error_code_of(Code::kOverloaded)), 56);
}

}  // namespace
}  // namespace millrace::kafka
