// Files of cached blocks. With an even byte 0 magic, sizes and CRC are made right first, so that
// what lies behind them is reached.
#include "bytes/crc32c.h"
#include "fuzz.h"
#include "objects/cached_block.h"

#include <algorithm>
#include <cstring>

using namespace millrace;  // NOLINT(google-build-using-namespace): one short file
using fuzz::expect;
using objects::CachedBlock;

namespace {

template <typename T>
void put(std::vector<std::byte>& file, size_t at, T value) {
  std::memcpy(file.data() + at, &value, sizeof value);
}

void seal(std::vector<std::byte>& file) {
  constexpr size_t kCrcAt = CachedBlock::kHeaderBytes - 4;
  uint16_t name = 0;
  std::memcpy(&name, file.data() + 6, sizeof name);
  const size_t rest = file.size() - CachedBlock::kHeaderBytes;
  name = static_cast<uint16_t>(std::min<size_t>(name, rest));
  put(file, 0, uint32_t{0x4B4C424D});
  put(file, 6, name);
  put(file, 24, static_cast<uint32_t>(rest - name));
  const std::span<const std::byte> all(file);
  put(file, kCrcAt,
      bytes::crc32c(all.subspan(CachedBlock::kHeaderBytes), bytes::crc32c(all.first(kCrcAt))));
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  auto file = fuzz::own_copy(data + 1, size - 1);
  if (file.size() >= CachedBlock::kHeaderBytes && data[0] % 2 == 0) {
    seal(file);
  }
  const auto block = CachedBlock::parse(file);
  if (!block.ok()) {
    expect(block.error().code == Code::kCorrupt || block.error().code == Code::kUnsupported);
    return 0;
  }
  expect(block->file_bytes() == file.size());
  expect(block->content.size() <= block->object_bytes - block->position);
  auto again = block->encode_head();
  again.insert(again.end(), block->content.begin(), block->content.end());
  expect(again == file);
  return 0;
}
