#include "bytes/codec_impl.h"
#include "bytes/cursor.h"

#include <snappy.h>

#include <array>

namespace millrace::bytes::impl {
namespace {

// xerial framing: "\x82SNAPPY\0", version, oldest compatible version, then blocks behind their
// lengths, all integers big endian 32 bits (snappy-java, SnappyCodec).
constexpr std::array<uint8_t, 8> kMagic{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
constexpr size_t kHeaderSize = kMagic.size() + 8;
constexpr size_t kBlockSize = size_t{32} << 10;
// The densest element is a copy of 64 bytes in 3.
constexpr size_t kMaxRatio = 22;

bool starts_with_header(View input) {
  return input.size() >= kMagic.size() &&
         std::memcmp(input.data(), kMagic.data(), kMagic.size()) == 0;
}

const char* chars(const std::byte* bytes) {
  return reinterpret_cast<const char*>(bytes);
}

Status append_raw(View block, size_t limit, Bytes& output) {
  size_t size = 0;
  if (!snappy::GetUncompressedLength(chars(block.data()), block.size(), &size)) {
    return make_error(Code::kInvalid, "snappy: a block without a length");
  }
  if (size > limit - output.size()) {
    return over_limit("snappy", limit);
  }
  if (size / kMaxRatio > block.size()) {
    return make_error(Code::kInvalid, "snappy: {} bytes cannot hold {}", block.size(), size);
  }
  const size_t before = output.size();
  output.resize(before + size);
  if (!snappy::RawUncompress(chars(block.data()), block.size(),
                             reinterpret_cast<char*>(output.data() + before))) {
    return make_error(Code::kInvalid, "snappy: a block of {} bytes is damaged or cut short",
                      block.size());
  }
  return {};
}

}  // namespace

Result<Bytes> snappy_compress(View input) {
  Writer writer(kHeaderSize + input.size() / 2 + 64);
  writer.bytes(std::as_bytes(std::span(kMagic)));
  writer.be<uint32_t>(1);
  writer.be<uint32_t>(1);
  std::vector<char> block(snappy::MaxCompressedLength(kBlockSize));
  while (!input.empty()) {
    const View piece = input.first(std::min(input.size(), kBlockSize));
    input = input.subspan(piece.size());
    size_t size = 0;
    snappy::RawCompress(chars(piece.data()), piece.size(), block.data(), &size);
    writer.be(static_cast<uint32_t>(size));
    writer.bytes(std::as_bytes(std::span(block.data(), size)));
  }
  return Bytes(writer.view().begin(), writer.view().end());
}

Result<Bytes> snappy_decompress(View input, size_t limit) {
  Bytes output;
  if (!starts_with_header(input)) {
    if (input.empty()) {
      return truncated("snappy", 0);
    }
    MILLRACE_TRY_STATUS(append_raw(input, limit, output));
    return output;
  }
  Reader reader(input);
  reader.skip(kHeaderSize);
  while (reader.ok() && reader.remaining() != 0) {
    // Streams appended to one another repeat the header.
    if (starts_with_header(input.subspan(reader.position()))) {
      reader.skip(kHeaderSize);
      continue;
    }
    const uint32_t size = reader.be<uint32_t>();
    const View block = reader.bytes(size);
    if (reader.ok()) {
      MILLRACE_TRY_STATUS(append_raw(block, limit, output));
    }
  }
  MILLRACE_TRY_STATUS(reader.status("snappy"));
  return output;
}

}  // namespace millrace::bytes::impl
