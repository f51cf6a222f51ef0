#include "bytes/codec.h"
#include "bytes/codec_impl.h"

#include <zstd.h>

#include <memory>

namespace millrace::bytes::impl {
namespace {

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

Result<Bytes> zstd_compress(View input, int level) {
  Bytes output(ZSTD_compressBound(input.size()));
  const int used = level == kDefaultLevel ? ZSTD_defaultCLevel()
                                          : std::clamp(level, ZSTD_minCLevel(), ZSTD_maxCLevel());
  const size_t size = ZSTD_compress(output.data(), output.size(), input.data(), input.size(), used);
  if (ZSTD_isError(size) != 0) {
    return make_error(Code::kInternal, "zstd: {}", ZSTD_getErrorName(size));
  }
  output.resize(size);
  return output;
}

Result<Bytes> zstd_decompress(View input, size_t limit) {
  // Made per call: a context keeps the largest window it has seen (up to 128 MiB).
  const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  if (context == nullptr) {
    return make_error(Code::kInternal, "zstd: no decompression context");
  }
  Output output(input.size() * 4, limit);
  ZSTD_inBuffer in{input.data(), input.size(), 0};
  size_t wanted = 1;  // 0: a frame has just ended
  while (wanted != 0 || in.pos != in.size) {
    const std::span<std::byte> room = output.room();
    ZSTD_outBuffer out{room.data(), room.size(), 0};
    const size_t before = in.pos;
    wanted = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(wanted) != 0) {
      return make_error(Code::kInvalid, "zstd: {} near byte {}", ZSTD_getErrorName(wanted), in.pos);
    }
    if (!output.advance(out.pos)) {
      return over_limit("zstd", limit);
    }
    if (wanted != 0 && out.pos == 0 && in.pos == before) {
      return truncated("zstd", input.size());
    }
  }
  return std::move(output).take();
}

}  // namespace millrace::bytes::impl
