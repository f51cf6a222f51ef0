#include "bytes/cursor.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace millrace::bytes {
namespace {

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  }
  return text;
}

template <typename... Bytes>
std::vector<std::byte> raw(Bytes... values) {
  return {static_cast<std::byte>(values)...};
}

TEST(Cursor, FixedIntegersOfBothOrders) {
  Writer writer;
  writer.be<uint16_t>(0x0102);
  writer.le<uint16_t>(0x0102);
  writer.be<int32_t>(-2);
  writer.le<uint32_t>(0x01020304);
  writer.be<int64_t>(std::numeric_limits<int64_t>::min());
  writer.le<uint64_t>(1);
  writer.u8(255);
  writer.be<int8_t>(-1);
  writer.f64_be(1.5);
  EXPECT_EQ(hex(writer.view()),
            "01020201fffffffe0403020180000000000000000100000000000000ffff3ff8000000000000");
  Reader reader(writer.view());
  EXPECT_EQ(reader.be<uint16_t>(), 0x0102);
  EXPECT_EQ(reader.le<uint16_t>(), 0x0102);
  EXPECT_EQ(reader.be<int32_t>(), -2);
  EXPECT_EQ(reader.le<uint32_t>(), 0x01020304u);
  EXPECT_EQ(reader.be<int64_t>(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(reader.le<uint64_t>(), 1u);
  EXPECT_EQ(reader.u8(), 255);
  EXPECT_EQ(reader.be<int8_t>(), -1);
  EXPECT_EQ(reader.f64_be(), 1.5);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(Cursor, VarintsRoundTripAtTheirEdges) {
  for (int bits = 0; bits < 64; ++bits) {
    for (const int64_t delta : {-1, 0, 1}) {
      const auto value = static_cast<uint64_t>(delta) + (uint64_t{1} << bits);
      Writer writer;
      writer.uvarlong(value);
      writer.varlong(static_cast<int64_t>(value));
      writer.uvarint(static_cast<uint32_t>(value));
      writer.varint(static_cast<int32_t>(value));
      Reader reader(writer.view());
      EXPECT_EQ(reader.uvarlong(), value);
      EXPECT_EQ(reader.varlong(), static_cast<int64_t>(value));
      EXPECT_EQ(reader.uvarint(), static_cast<uint32_t>(value));
      EXPECT_EQ(reader.varint(), static_cast<int32_t>(value));
      EXPECT_TRUE(reader.ok());
      EXPECT_EQ(reader.remaining(), 0u);
    }
  }
}

TEST(Cursor, ZigzagAsInProtocolBuffers) {
  Writer writer;
  for (const int32_t value : {0, -1, 1, -2, 63, -64, 64, std::numeric_limits<int32_t>::max(),
                              std::numeric_limits<int32_t>::min()}) {
    writer.varint(value);
  }
  EXPECT_EQ(hex(writer.view()), "000102037e7f8001feffffff0fffffffff0f");
}

TEST(Reader, RefusesVarintsThatDoNotFit) {
  struct Case {
    std::vector<std::byte> bytes;
    bool fits_32, fits_64;
  };

  const Case cases[] = {
      {raw(0xFF, 0xFF, 0xFF, 0xFF, 0x0F), true, true},
      {raw(0xFF, 0xFF, 0xFF, 0xFF, 0x1F), false, true},
      {raw(0x80, 0x80, 0x80, 0x80, 0x00), true, true},
      {raw(0x80, 0x80, 0x80, 0x80, 0x80, 0x00), false, true},
      {raw(0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01), false, true},
      {raw(0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02), false, false},
      {raw(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00), false, false},
      {raw(0x80), false, false},
      {raw(), false, false},
  };
  for (const Case& c : cases) {
    Reader narrow(c.bytes);
    narrow.uvarint();
    EXPECT_EQ(narrow.ok(), c.fits_32) << hex(c.bytes);
    Reader wide(c.bytes);
    wide.uvarlong();
    EXPECT_EQ(wide.ok(), c.fits_64) << hex(c.bytes);
  }
}

TEST(Reader, TheFirstFailureSticks) {
  const auto bytes = raw(1, 2, 3, 4, 5);
  Reader reader(bytes);
  EXPECT_EQ(reader.u8(), 1);
  EXPECT_EQ(reader.be<uint64_t>(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_TRUE(reader.bytes(1).empty());
  reader.fail("a later reason");
  const Status status = reader.status("frame");
  EXPECT_EQ(status.error().code, Code::kInvalid);
  EXPECT_EQ(status.error().message, "frame: truncated at byte 1");
  EXPECT_EQ(reader.status("file", Code::kCorrupt).error().code, Code::kCorrupt);
}

TEST(Reader, SlicesPointIntoTheInput) {
  const auto bytes = raw(1, 2, 3);
  Reader reader(bytes);
  reader.skip(1);
  EXPECT_EQ(reader.bytes(2).data(), bytes.data() + 1);
  EXPECT_TRUE(reader.bytes(0).empty());
  EXPECT_TRUE(reader.ok());
  reader.bytes(std::numeric_limits<size_t>::max());
  EXPECT_FALSE(reader.ok());
}

TEST(Writer, PatchesAndFinishesWithoutACopy) {
  Writer writer;
  writer.be<uint32_t>(0);
  writer.text(std::string(1000, 'x'));
  writer.patch_be<uint32_t>(0, 1000);
  writer.patch_le<uint16_t>(1002, 0x4142);
  const std::byte* data = writer.view().data();
  const Buffer buffer = std::move(writer).finish();
  EXPECT_EQ(buffer.data(), data);
  EXPECT_EQ(buffer.size(), 1004u);
  EXPECT_EQ(hex(buffer.slice(0, 5)), "000003e878");
  EXPECT_EQ(as_text(buffer.slice(1001, 3)), "xBA");
  Writer empty;
  EXPECT_DEATH(empty.patch_be<uint32_t>(0, 1), "patch");
}

}  // namespace
}  // namespace millrace::bytes
