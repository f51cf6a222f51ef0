#include "bytes/codec.h"

#include "bytes/codec_impl.h"

namespace millrace::bytes {

std::string_view name_of(Codec codec) {
  switch (codec) {
    case Codec::kNone:
      return "none";
    case Codec::kGzip:
      return "gzip";
    case Codec::kSnappy:
      return "snappy";
    case Codec::kLz4:
      return "lz4";
    case Codec::kZstd:
      return "zstd";
  }
  return "unknown";
}

std::optional<Codec> codec_from_number(unsigned number) {
  if (number > static_cast<unsigned>(Codec::kZstd)) {
    return std::nullopt;
  }
  return static_cast<Codec>(number);
}

Result<std::vector<std::byte>> compress(Codec codec, std::span<const std::byte> input, int level) {
  switch (codec) {
    case Codec::kNone:
      return std::vector<std::byte>(input.begin(), input.end());
    case Codec::kGzip:
      return impl::gzip_compress(input, level);
    case Codec::kSnappy:
      return impl::snappy_compress(input);
    case Codec::kLz4:
      return impl::lz4_compress(input, level);
    case Codec::kZstd:
      return impl::zstd_compress(input, level);
  }
  return make_error(Code::kInvalid, "codec {} is unknown", static_cast<int>(codec));
}

Result<std::vector<std::byte>> decompress(Codec codec, std::span<const std::byte> input,
                                          size_t limit) {
  switch (codec) {
    case Codec::kNone:
      if (input.size() > limit) {
        return impl::over_limit("none", limit);
      }
      return std::vector<std::byte>(input.begin(), input.end());
    case Codec::kGzip:
      return impl::gzip_decompress(input, limit);
    case Codec::kSnappy:
      return impl::snappy_decompress(input, limit);
    case Codec::kLz4:
      return impl::lz4_decompress(input, limit);
    case Codec::kZstd:
      return impl::zstd_decompress(input, limit);
  }
  return make_error(Code::kInvalid, "codec {} is unknown", static_cast<int>(codec));
}

}  // namespace millrace::bytes
