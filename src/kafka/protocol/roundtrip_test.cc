// Every API in every version with random content: there and back, cut at every byte, and with
// tagged fields that nobody knows.
#include "kafka/protocol/encoded.h"
#include "kafka/protocol/frame.h"
#include "kafka/protocol/messages.h"
#include "kafka/protocol/random_message.h"

#include <gtest/gtest.h>

namespace millrace::kafka {
namespace {

using Bytes = std::vector<std::byte>;

/// Calls test.operator()<Message>(version) for requests and responses of every API and version.
template <typename Test>
void for_each_message(Test&& test) {
  for_each_api([&]<typename Request, typename Response>() {
    const ApiRange& api = *find_api(Request::kApiKey);
    for (int16_t version = api.min_version; version <= api.max_version; ++version) {
      SCOPED_TRACE(fmt::format("{} version {}", Request::kName, version));
      test.template operator()<Request>(version);
      test.template operator()<Response>(version);
    }
  });
}

TEST(Messages, RandomContentComesBackInEveryVersion) {
  for_each_message([]<typename Message>(int16_t version) {
    for (uint32_t seed = 0; seed < 50; ++seed) {
      RandomMessage random(seed, version);
      Message sent;
      random.fill(sent);
      const Bytes bytes = encoded(version, sent);
      Message received;
      const Status status = decode_message(bytes, version, received);
      ASSERT_TRUE(status.ok()) << status.error().message;
      ASSERT_EQ(sent, received) << "seed " << seed;
    }
  });
}

TEST(Messages, EachTruncationIsRefused) {
  for_each_message([]<typename Message>(int16_t version) {
    RandomMessage random(7, version);
    Message sent;
    random.fill(sent);
    const Bytes bytes = encoded(version, sent);
    Message received;
    for (size_t size = 0; size < bytes.size(); ++size) {
      const Status status = decode_message(std::span(bytes).first(size), version, received);
      ASSERT_FALSE(status.ok()) << size << " of " << bytes.size();
      EXPECT_EQ(status.error().code, Code::kInvalid);
    }
  });
}

TEST(Messages, BytesAfterTheEndAreIgnoredAsKafkaDoes) {
  for_each_message([]<typename Message>(int16_t version) {
    const Bytes bytes = encoded(version, Message());
    Bytes padded = bytes;
    padded.push_back(std::byte{0});
    Message received;
    EXPECT_TRUE(decode_message(padded, version, received).ok());
    EXPECT_EQ(encoded(version, received), bytes);
  });
}

TEST(Messages, UnknownTaggedFieldsAreSkipped) {
  for_each_message([]<typename Message>(int16_t version) {
    if (version < find_api(Message::kApiKey)->first_flexible) {
      return;
    }
    RandomMessage random(3, version);
    random.with_tags(false);
    Message sent;
    random.fill(sent);
    Bytes bytes = encoded(version, sent);
    ASSERT_EQ(bytes.back(), std::byte{0});  // the outer tag count
    bytes.back() = std::byte{2};
    for (const int each : {60, 3, 1, 2, 3, 200, 1, 0}) {  // tag 60: 3 bytes; tag 200: none
      bytes.push_back(static_cast<std::byte>(each));
    }
    Message received;
    const Status status = decode_message(bytes, version, received);
    ASSERT_TRUE(status.ok()) << status.error().message;
    EXPECT_EQ(sent, received);
  });
}

TEST(Messages, RandomDamageNeverCrashes) {
  std::mt19937 generator(11);
  for_each_message([&]<typename Message>(int16_t version) {
    RandomMessage random(5, version);
    Message sent;
    random.fill(sent);
    const Bytes good = encoded(version, sent);
    for (int round = 0; round < 100 && !good.empty(); ++round) {
      Bytes bad = good;
      bad[generator() % bad.size()] = static_cast<std::byte>(generator());
      Message received;
      if (decode_message(bad, version, received).ok()) {
        Message again;
        EXPECT_TRUE(decode_message(encoded(version, received), version, again).ok());
      }
    }
  });
}

}  // namespace
}  // namespace millrace::kafka
