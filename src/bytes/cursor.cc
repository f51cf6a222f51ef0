#include "bytes/cursor.h"

#include "base/check.h"

#include <algorithm>

namespace millrace::bytes {

static_assert(std::endian::native == std::endian::little, "x86-64 only");

Status Reader::status(std::string_view what, Code code) const {
  if (ok()) {
    return {};
  }
  return make_error(code, "{}: {} at byte {}", what, failure_, position());
}

uint64_t Reader::uvarint_of(int bits) {
  uint64_t value = 0;
  const std::byte* at = at_;
  for (int shift = 0; shift < bits; shift += 7) {
    if (at == end_) {
      fail("truncated");
      return 0;
    }
    const auto group = static_cast<uint8_t>(*at++);
    if (shift + 7 > bits && (group & 0x7F) >> (bits - shift) != 0) {
      fail("varint too large");
      return 0;
    }
    value |= static_cast<uint64_t>(group & 0x7F) << shift;
    if (group < 0x80) {
      at_ = at;
      return value;
    }
  }
  fail("varint too long");
  return 0;
}

void Writer::uvarlong(uint64_t value) {
  while (value >= 0x80) {
    u8(static_cast<uint8_t>(value | 0x80));
    value >>= 7;
  }
  u8(static_cast<uint8_t>(value));
}

void Writer::grow(size_t more) {
  const size_t capacity = std::max({size_ + more, capacity_ * 2, size_t{64}});
  auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
  if (size_ != 0) {
    std::memcpy(larger.get(), data_.get(), size_);
  }
  data_ = std::move(larger);
  capacity_ = capacity;
}

void Writer::check_patch(size_t position, size_t width) const {
  MILLRACE_CHECK(width <= size_ && position <= size_ - width, "patch outside what was written");
}

Buffer Writer::finish() && {
  std::shared_ptr<const std::byte[]> owner = std::move(data_);
  const std::span<const std::byte> written(owner.get(), size_);
  size_ = 0;
  capacity_ = 0;
  return Buffer::adopt(std::move(owner), written);
}

}  // namespace millrace::bytes
