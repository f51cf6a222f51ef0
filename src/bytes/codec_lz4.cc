#include "bytes/codec.h"
#include "bytes/codec_impl.h"

#include <lz4frame.h>

#include <memory>

namespace millrace::bytes::impl {
namespace {

struct FreeContext {
  void operator()(LZ4F_dctx* context) const { LZ4F_freeDecompressionContext(context); }
};

}  // namespace

Result<Bytes> lz4_compress(View input, int level) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;  // Kafka's Java reader takes no other
  preferences.compressionLevel = level == kDefaultLevel ? 0 : std::clamp(level, 0, 12);
  Bytes output(LZ4F_compressFrameBound(input.size(), &preferences));
  const size_t size =
      LZ4F_compressFrame(output.data(), output.size(), input.data(), input.size(), &preferences);
  if (LZ4F_isError(size) != 0) {
    return make_error(Code::kInternal, "lz4: {}", LZ4F_getErrorName(size));
  }
  output.resize(size);
  return output;
}

Result<Bytes> lz4_decompress(View input, size_t limit) {
  LZ4F_dctx* raw = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION)) != 0) {
    return make_error(Code::kInternal, "lz4: no decompression context");
  }
  const std::unique_ptr<LZ4F_dctx, FreeContext> context(raw);
  Output output(input.size() * 3, limit);
  size_t at = 0;
  size_t wanted = 1;  // 0: a frame has just ended
  while (wanted != 0 || at != input.size()) {
    const std::span<std::byte> room = output.room();
    size_t produced = room.size();
    size_t consumed = input.size() - at;
    wanted = LZ4F_decompress(context.get(), room.data(), &produced, input.data() + at, &consumed,
                             nullptr);
    if (LZ4F_isError(wanted) != 0) {
      return make_error(Code::kInvalid, "lz4: {} near byte {}", LZ4F_getErrorName(wanted), at);
    }
    at += consumed;
    if (!output.advance(produced)) {
      return over_limit("lz4", limit);
    }
    if (wanted != 0 && produced == 0 && consumed == 0) {
      return truncated("lz4", input.size());
    }
  }
  return std::move(output).take();
}

}  // namespace millrace::bytes::impl
