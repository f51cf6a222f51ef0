#include "bytes/crc32c.h"

#include "bytes/buffer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <vector>

namespace millrace::bytes {
namespace {

using Bytes = std::vector<std::byte>;

uint32_t bitwise(std::span<const std::byte> bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const std::byte byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78 : 0);
    }
  }
  return ~crc;
}

Bytes random_bytes(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(random());
  }
  return bytes;
}

TEST(Crc32c, VectorsOfRfc3720) {
  EXPECT_EQ(crc32c(Bytes(32, std::byte{0})), 0x8A9136AAu);
  EXPECT_EQ(crc32c(Bytes(32, std::byte{0xFF})), 0x62A8AB43u);
  Bytes up(32);
  Bytes down(32);
  for (size_t i = 0; i < 32; ++i) {
    up[i] = static_cast<std::byte>(i);
    down[i] = static_cast<std::byte>(31 - i);
  }
  EXPECT_EQ(crc32c(up), 0x46DD794Eu);
  EXPECT_EQ(crc32c(down), 0x113FDB5Cu);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, AgreesWithTheBitwiseDefinitionAtEdgeSizes) {
  const Bytes bytes = random_bytes(40000, 1);
  std::vector<size_t> sizes;
  for (const size_t edge : {size_t{1}, size_t{8}, size_t{256}, size_t{768}, size_t{1536},
                            size_t{12288}, size_t{12288 + 768}, size_t{24576}, size_t{36864}}) {
    sizes.insert(sizes.end(), {edge - 1, edge, edge + 1, edge + 7, edge + 9});
  }
  for (const size_t size : sizes) {
    for (const size_t offset : {size_t{0}, size_t{1}, size_t{5}}) {
      const auto part = std::span(bytes).subspan(offset, size);
      EXPECT_EQ(crc32c(part), bitwise(part)) << size << " at " << offset;
    }
  }
}

TEST(Crc32c, SeedAndCombineContinueWhereTheFirstPartEnded) {
  const Bytes bytes = random_bytes(70000, 2);
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    const size_t end = random() % bytes.size();
    const size_t cut =
        i < 20 ? end - std::min<size_t>(end, static_cast<size_t>(i)) : random() % (end + 1);
    const auto a = std::span(bytes).first(cut);
    const auto b = std::span(bytes).subspan(cut, end - cut);
    const uint32_t whole = crc32c(std::span(bytes).first(end));
    EXPECT_EQ(crc32c(b, crc32c(a)), whole);
    EXPECT_EQ(crc32c_combine(crc32c(a), crc32c(b), b.size()), whole);
  }
}

TEST(Crc32c, CombineTakesLengthsBeyond32Bits) {
  // Appending n and then m bytes is appending n + m, whatever the length.
  const uint64_t n = (uint64_t{5} << 32) + 12345;
  const uint64_t m = (uint64_t{1} << 40) + 77;
  const uint32_t once = crc32c_combine(0xDEADBEEF, 0, n + m);
  EXPECT_EQ(crc32c_combine(crc32c_combine(0xDEADBEEF, 0, n), 0, m), once);
}

TEST(Crc32c, DISABLED_Speed) {  // --gtest_also_run_disabled_tests, in the release tree
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::time_point since) {
    return std::chrono::duration<double>(Clock::now() - since).count();
  };
  for (const size_t size : {size_t{61}, size_t{1024}, size_t{16384}, size_t{1} << 20}) {
    const Bytes bytes = random_bytes(size, 4);
    const size_t rounds = (size_t{1} << 32) / (size + 64);
    uint32_t crc = 0;
    const auto start = Clock::now();
    for (size_t i = 0; i < rounds; ++i) {
      crc = crc32c(bytes, crc);
    }
    std::printf("crc32c %7zu bytes: %.1f GB/s (%x)\n", size,
                static_cast<double>(rounds * size) / seconds(start) / 1e9, crc);
  }
  uint32_t crc = 1;
  const auto start = Clock::now();
  for (uint32_t i = 0; i < 10'000'000; ++i) {
    crc = crc32c_combine(crc, i, 1'048'575 - (i & 1023));
  }
  std::printf("combine: %.1f ns (%x)\n", seconds(start) * 100, crc);
}

}  // namespace
}  // namespace millrace::bytes
