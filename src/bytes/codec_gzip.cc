#include "bytes/codec.h"
#include "bytes/codec_impl.h"

#include <zlib.h>

namespace millrace::bytes {
namespace {

constexpr int kZlibFormat = 15;               // the largest window
constexpr int kGzipFormat = 15 + 16;          // zlib.h: "add 16" for a gzip header and trailer
constexpr size_t kMaxStep = size_t{1} << 30;  // avail_in and avail_out are 32 bits wide

Bytef* input_of(std::span<const std::byte> bytes) {
  // zlib's next_in is const only when ZLIB_CONST is set for all of it.
  return reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
}

class Inflater {
 public:
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  explicit Inflater(int format) : ready_(inflateInit2(&stream_, format) == Z_OK) {}

  ~Inflater() {
    if (ready_) {
      inflateEnd(&stream_);
    }
  }

  bool ready() const { return ready_; }

  /// Inflates one member from the front of `input` and cuts it off.
  Status member(std::string_view name, std::span<const std::byte>& input, impl::Output& output,
                size_t limit) {
    inflateReset(&stream_);
    for (;;) {
      const std::span<std::byte> room = output.room();
      const size_t in = std::min(input.size(), kMaxStep);
      const size_t out = std::min(room.size(), kMaxStep);
      stream_.next_in = input_of(input);
      stream_.avail_in = static_cast<uInt>(in);
      stream_.next_out = reinterpret_cast<Bytef*>(room.data());
      stream_.avail_out = static_cast<uInt>(out);
      const int code = inflate(&stream_, Z_NO_FLUSH);
      const size_t consumed = in - stream_.avail_in;
      const size_t produced = out - stream_.avail_out;
      input = input.subspan(consumed);
      if (!output.advance(produced)) {
        return impl::over_limit(name, limit);
      }
      if (code == Z_STREAM_END) {
        return {};
      }
      if (code != Z_OK && code != Z_BUF_ERROR) {
        return make_error(Code::kInvalid, "{}: {}", name,
                          stream_.msg != nullptr ? stream_.msg : "the data is damaged");
      }
      if (consumed == 0 && produced == 0) {
        return make_error(Code::kInvalid, "{}: input ends early", name);
      }
    }
  }

 private:
  z_stream stream_{};
  bool ready_;
};

Result<std::vector<std::byte>> inflate_all(std::string_view name, int format, bool many,
                                           std::span<const std::byte> input, size_t limit) {
  Inflater inflater(format);
  if (!inflater.ready()) {
    return make_error(Code::kInternal, "{}: inflateInit2 failed", name);
  }
  impl::Output output(input.size() * 4, limit);
  do {
    MILLRACE_TRY_STATUS(inflater.member(name, input, output, limit));
  } while (many && !input.empty());
  if (!input.empty()) {
    return make_error(Code::kInvalid, "{}: {} bytes follow the end", name, input.size());
  }
  return std::move(output).take();
}

}  // namespace

Result<std::vector<std::byte>> inflate_zlib(std::span<const std::byte> input, size_t limit) {
  return inflate_all("deflate", kZlibFormat, false, input, limit);
}

namespace impl {

Result<Bytes> gzip_compress(View input, int level) {
  const int used = level == kDefaultLevel ? Z_DEFAULT_COMPRESSION : std::clamp(level, 1, 9);
  z_stream stream{};
  if (deflateInit2(&stream, used, Z_DEFLATED, kGzipFormat, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return make_error(Code::kInternal, "gzip: deflateInit2 failed");
  }
  Bytes output(deflateBound(&stream, input.size()));
  size_t written = 0;
  int code = Z_OK;
  while (code == Z_OK) {
    const size_t in = std::min(input.size(), kMaxStep);
    const size_t out = std::min(output.size() - written, kMaxStep);
    stream.next_in = input_of(input);
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = reinterpret_cast<Bytef*>(output.data() + written);
    stream.avail_out = static_cast<uInt>(out);
    code = deflate(&stream, in == input.size() ? Z_FINISH : Z_NO_FLUSH);
    input = input.subspan(in - stream.avail_in);
    written += out - stream.avail_out;
  }
  deflateEnd(&stream);
  if (code != Z_STREAM_END) {
    return make_error(Code::kInternal, "gzip: deflate answered {}", code);
  }
  output.resize(written);
  return output;
}

Result<Bytes> gzip_decompress(View input, size_t limit) {
  return inflate_all("gzip", kGzipFormat, true, input, limit);
}

}  // namespace impl
}  // namespace millrace::bytes
