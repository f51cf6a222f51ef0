#include "bytes/codec.h"

#include "bytes/buffer.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <random>

namespace millrace::bytes {
namespace {

using Bytes = std::vector<std::byte>;
using testing::HasSubstr;

constexpr size_t kNoLimit = size_t{1} << 30;

Bytes sample(size_t size, bool random) {
  std::mt19937 generator(static_cast<uint32_t>(size));
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(random ? generator() : i / 7 % 11);
  }
  return bytes;
}

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

Bytes joined(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class EveryCodec : public testing::TestWithParam<Codec> {};

TEST_P(EveryCodec, RoundTripsAtEdgeSizes) {
  for (const size_t edge : {size_t{1}, size_t{256}, size_t{32768}, size_t{65536}, size_t{262144}}) {
    for (const size_t size : {edge - 1, edge, edge + 1}) {
      for (const bool random : {false, true}) {
        const Bytes input = sample(size, random);
        const auto packed = compress(GetParam(), input);
        ASSERT_TRUE(packed.ok()) << packed.error().message;
        const auto exact = decompress(GetParam(), *packed, size);
        ASSERT_TRUE(exact.ok()) << size << ": " << exact.error().message;
        EXPECT_EQ(*exact, input);
        if (size > 0) {
          const auto over = decompress(GetParam(), *packed, size - 1);
          ASSERT_FALSE(over.ok());
          EXPECT_EQ(over.error().code, Code::kTooLarge);
          EXPECT_THAT(over.error().message, HasSubstr("limit"));
        }
      }
    }
  }
}

TEST_P(EveryCodec, LevelsAreBroughtIntoTheirRange) {
  const Bytes input = sample(5000, false);
  for (const int level : {-1000, -1, 0, 1, 9, 1000}) {
    const auto packed = compress(GetParam(), input, level);
    ASSERT_TRUE(packed.ok());
    EXPECT_EQ(decompress(GetParam(), *packed, kNoLimit).value(), input);
  }
}

TEST_P(EveryCodec, EachTruncationIsRefused) {
  if (GetParam() == Codec::kNone) {
    GTEST_SKIP();
  }
  const Bytes input = sample(40000, false);
  const Bytes packed = compress(GetParam(), input).value();
  for (size_t size = 0; size < packed.size(); ++size) {
    const auto result = decompress(GetParam(), std::span(packed).first(size), kNoLimit);
    // xerial framing has no end mark: a cut between two blocks is a shorter stream.
    if (GetParam() == Codec::kSnappy && result.ok()) {
      EXPECT_EQ(result->size() % 32768, 0u) << size;
    } else {
      ASSERT_FALSE(result.ok()) << size;
      EXPECT_EQ(result.error().code, Code::kInvalid);
    }
  }
}

TEST_P(EveryCodec, JunkIsRefused) {
  if (GetParam() == Codec::kNone) {
    GTEST_SKIP();
  }
  for (const size_t size : {size_t{1}, size_t{20}, size_t{5000}}) {
    const auto result = decompress(GetParam(), Bytes(size, std::byte{0xEE}), kNoLimit);
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(result.error().message, HasSubstr(std::string(name_of(GetParam()))));
  }
}

TEST_P(EveryCodec, TrailingBytesAreRefused) {
  if (GetParam() == Codec::kNone) {
    GTEST_SKIP();
  }
  const Bytes packed = compress(GetParam(), sample(100, false)).value();
  EXPECT_FALSE(decompress(GetParam(), joined(packed, from_hex("aabb")), kNoLimit).ok());
}

TEST_P(EveryCodec, ConcatenatedStreamsAreOneContent) {
  const Bytes first = sample(1000, false);
  const Bytes second = sample(2000, true);
  const Bytes packed =
      joined(compress(GetParam(), first).value(), compress(GetParam(), second).value());
  EXPECT_EQ(decompress(GetParam(), packed, 3000).value(), joined(first, second));
  EXPECT_FALSE(decompress(GetParam(), packed, 2999).ok());
}

TEST_P(EveryCodec, BombsStopAtTheLimit) {
  const Bytes packed = compress(GetParam(), Bytes(size_t{64} << 20)).value();
  const auto result = decompress(GetParam(), packed, 1 << 20);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("limit of 1048576 bytes"));
}

INSTANTIATE_TEST_SUITE_P(All, EveryCodec,
                         testing::Values(Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4,
                                         Codec::kZstd),
                         [](const auto& each) { return std::string(name_of(each.param)); });

TEST(Codec, NumbersAreThoseOfKafka) {
  EXPECT_EQ(codec_from_number(0), Codec::kNone);
  EXPECT_EQ(codec_from_number(4), Codec::kZstd);
  EXPECT_EQ(codec_from_number(5), std::nullopt);
}

TEST(Codec, ReadsRawSnappy) {
  // 5 bytes, one literal of 5: snappy's format_description.txt.
  EXPECT_EQ(as_text(decompress(Codec::kSnappy, from_hex("051068656c6c6f"), 5).value()), "hello");
  // A claim of 4 GiB in 6 bytes is refused before anything is reserved.
  const auto lie = decompress(Codec::kSnappy, from_hex("ffffffff0f00"), size_t{1} << 33);
  EXPECT_THAT(lie.error().message, HasSubstr("cannot hold"));
}

TEST(Codec, ReadsXerialFraming) {
  const Bytes framed = from_hex(
      "82534e41505059000000000100000001"
      "00000007"
      "051068656c6c6f"
      "00000003"
      "010021");
  EXPECT_EQ(as_text(decompress(Codec::kSnappy, framed, 6).value()), "hello!");
}

TEST(Codec, ReadsWhatOtherToolsWrite) {
  // gzip -n, zstd and lz4 of "hello\n".
  EXPECT_EQ(as_text(decompress(Codec::kGzip,
                               from_hex("1f8b0800000000000003cb48cdc9c9e7020020303a3606000000"), 6)
                        .value()),
            "hello\n");
  EXPECT_EQ(as_text(decompress(Codec::kZstd,
                               from_hex("28b52ffd2006310000"
                                        "68656c6c6f0a"),
                               6)
                        .value()),
            "hello\n");
}

TEST(Codec, InflatesTheZlibFormatOnce) {
  const Bytes packed = from_hex(
      "789ccb48cdc9c907000"
      "62c0215");
  EXPECT_EQ(as_text(inflate_zlib(packed, 5).value()), "hello");
  EXPECT_FALSE(inflate_zlib(packed, 4).ok());
  EXPECT_FALSE(inflate_zlib(joined(packed, packed), 100).ok());
  EXPECT_FALSE(inflate_zlib(std::span(packed).first(packed.size() - 1), 100).ok());
}

}  // namespace
}  // namespace millrace::bytes
