#include "objects/cached_block.h"

#include "bytes/crc32c.h"
#include "bytes/cursor.h"
#include "objects/object_store.h"

namespace millrace::objects {
namespace {

constexpr uint32_t kMagic = 0x4B4C424D;  // "MBLK"
constexpr uint16_t kFormatVersion = 1;
constexpr size_t kCrcAt = CachedBlock::kHeaderBytes - sizeof(uint32_t);

/// Of all but the CRC itself, in the order of the file.
uint32_t crc_of(std::span<const std::byte> before_crc, std::span<const std::byte> name,
                std::span<const std::byte> content) {
  return bytes::crc32c(content, bytes::crc32c(name, bytes::crc32c(before_crc)));
}

}  // namespace

std::vector<std::byte> CachedBlock::encode_head() const {
  bytes::Writer out(kHeaderBytes + object.size());
  out.le(kMagic);
  out.le(kFormatVersion);
  out.le(static_cast<uint16_t>(object.size()));
  out.le(object_bytes);
  out.le(position);
  out.le(static_cast<uint32_t>(content.size()));
  out.le(crc_of(out.view(), bytes::as_bytes(object), content));
  out.text(object);
  return {out.view().begin(), out.view().end()};
}

Result<CachedBlock> CachedBlock::parse(std::span<const std::byte> file) {
  bytes::Reader in(file);
  CachedBlock block;
  const auto magic = in.le<uint32_t>();
  const auto version = in.le<uint16_t>();
  const auto name_bytes = in.le<uint16_t>();
  block.object_bytes = in.le<uint64_t>();
  block.position = in.le<uint64_t>();
  const auto content_bytes = in.le<uint32_t>();
  const auto crc = in.le<uint32_t>();
  const auto name = in.bytes(name_bytes);
  block.object = bytes::as_text(name);
  block.content = in.bytes(content_bytes);
  if (!in.ok() || in.remaining() != 0) {
    return make_error(Code::kCorrupt, "{} bytes, and it says a name of {} and a content of {}",
                      file.size(), name_bytes, content_bytes);
  }
  if (magic != kMagic) {
    return make_error(Code::kCorrupt, "magic {:#010x}", magic);
  }
  if (version != kFormatVersion) {
    return make_error(Code::kUnsupported, "cache format {}, this version of Millrace has {}",
                      version, kFormatVersion);
  }
  if (const uint32_t found = crc_of(file.first(kCrcAt), name, block.content); found != crc) {
    return make_error(Code::kCorrupt, "CRC {:#010x}, its header says {:#010x}", found, crc);
  }
  if (name_bytes == 0 || name_bytes > kMaxNameBytes || content_bytes == 0 ||
      block.position > block.object_bytes || content_bytes > block.object_bytes - block.position) {
    return make_error(Code::kCorrupt, "its header contradicts itself");
  }
  return block;
}

}  // namespace millrace::objects
