#include "net/address.h"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

TEST(Address, ReadsWhatItWrites) {
  for (const char* text : {"127.0.0.1:9092", "[::1]:0", "localhost:8086", "0.0.0.0:65535"}) {
    EXPECT_EQ(Address::parse(text).value().to_string(), text);
  }
  EXPECT_EQ(Address::parse("[::1]:7").value(), (Address{"::1", 7}));
}

TEST(Address, RefusesWithTheTextAndTheReason) {
  for (const char* text : {"", "127.0.0.1", ":9092", "[]:1", "::1:9092", "host:", "host:65536",
                           "host:-1", "host:1x", "http://127.0.0.1:1"}) {
    const auto address = Address::parse(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.error().code, Code::kInvalid);
    EXPECT_NE(address.error().message.find(fmt::format("\"{}\"", text)), std::string::npos);
  }
}

TEST(Address, KnowsLoopback) {
  EXPECT_TRUE((Address{"127.0.0.2", 1}).is_loopback());
  EXPECT_TRUE((Address{"::1", 1}).is_loopback());
  EXPECT_TRUE((Address{"localhost", 1}).is_loopback());
  EXPECT_FALSE((Address{"0.0.0.0", 1}).is_loopback());
  EXPECT_FALSE((Address{"::", 1}).is_loopback());
}

}  // namespace
}  // namespace millrace::net
