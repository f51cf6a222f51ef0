#include "bytes/hash.h"

#include "bytes/buffer.h"

#include <gtest/gtest.h>

namespace millrace::bytes {
namespace {

TEST(Hash128, IsXxh3) {
  // XXH3_128bits of the empty input, from the reference implementation's test vectors.
  const std::array<uint8_t, 16> empty = {0x99, 0xaa, 0x06, 0xd3, 0x01, 0x47, 0x98, 0xd8,
                                         0x60, 0x01, 0xc3, 0x24, 0x46, 0x8d, 0x49, 0x7f};
  EXPECT_EQ(hash128({}), empty);
  EXPECT_NE(hash128(as_bytes("a")), hash128(as_bytes("b")));
}

}  // namespace
}  // namespace millrace::bytes
