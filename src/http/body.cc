#include "http/body.h"

#include "bytes/buffer.h"
#include "bytes/codec.h"
#include "runtime/coroutine.h"

#include <array>
#include <string_view>

namespace millrace::http {
namespace {

constexpr size_t kInflatedHere = size_t{256} << 10;  // beyond, it would hold up the shard

using Decompress = Result<std::vector<std::byte>> (*)(std::span<const std::byte>, size_t);

template <bytes::Codec kCodec>
Result<std::vector<std::byte>> decompress(std::span<const std::byte> input, size_t limit) {
  return bytes::decompress(kCodec, input, limit);
}

struct Encoding {
  std::string_view name;
  std::string_view magic;  // its first bytes, where they cannot be content
  Decompress decompress;
};

constexpr std::array<Encoding, 4> kEncodings = {{
    {"gzip", "\x1f\x8b", decompress<bytes::Codec::kGzip>},
    {"x-gzip", "", decompress<bytes::Codec::kGzip>},
    {"zstd", "\x28\xb5\x2f\xfd", decompress<bytes::Codec::kZstd>},
    {"deflate", "", bytes::inflate_zlib},
}};

/// Null: the body is the content.
Result<Decompress> decompress_of(const net::HttpRequest& request) {
  const std::string_view named = request.header("content-encoding").value_or("");
  const std::string_view body = bytes::as_text(request.body);
  for (const Encoding& encoding : kEncodings) {
    if (named.empty() ? !encoding.magic.empty() && body.starts_with(encoding.magic)
                      : net::equals_ignoring_case(named, encoding.name)) {
      return encoding.decompress;
    }
  }
  if (!named.empty() && !net::equals_ignoring_case(named, "identity")) {
    return make_error(Code::kUnsupported,
                      "Content-Encoding {}: must be gzip, deflate, zstd or identity",
                      named.substr(0, 40));
  }
  return nullptr;
}

}  // namespace

runtime::Task<Result<Body>> body_of(Context& context, const net::HttpRequest& request) {
  Body body{.bytes = request.body};
  MILLRACE_CO_TRY(const Decompress decompress, decompress_of(request));
  if (decompress == nullptr) {
    co_return body;
  }
  const auto inflate = [decompress, bytes = request.body, limit = context.options.body_bytes] {
    return decompress(bytes, limit);
  };
  auto inflated =
      request.body.size() <= kInflatedHere ? inflate() : co_await context.pool.run(inflate);
  if (!inflated.ok()) {
    co_return std::move(inflated).error().within("body");
  }
  body.inflated = *std::move(inflated);
  body.bytes = body.inflated;
  body.memory = context.bodies.reserve_anyway(body.inflated.size());
  co_return body;
}

}  // namespace millrace::http
