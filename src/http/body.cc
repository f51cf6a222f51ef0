#include "http/body.h"

#include "bytes/codec.h"
#include "runtime/coroutine.h"

namespace millrace::http {
namespace {

constexpr size_t kInflatedHere = size_t{256} << 10;  // beyond, it would hold up the shard

}  // namespace

runtime::Task<Result<Body>> body_of(Context& context, const net::HttpRequest& request) {
  Body body{.bytes = request.body};
  const std::string_view encoding = request.header("content-encoding").value_or("identity");
  if (net::equals_ignoring_case(encoding, "identity") || encoding.empty()) {
    co_return body;
  }
  if (!net::equals_ignoring_case(encoding, "gzip")) {
    co_return make_error(Code::kUnsupported, "Content-Encoding {}: must be gzip or identity",
                         encoding.substr(0, 40));
  }
  const auto inflate = [bytes = request.body, limit = context.options.body_bytes] {
    return bytes::decompress(bytes::Codec::kGzip, bytes, limit);
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
