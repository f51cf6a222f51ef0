// A request's body as its route wants it: decompressed, within the limits.
#pragma once

#include "base/result.h"
#include "http/context.h"
#include "net/http_message.h"
#include "runtime/task.h"

#include <cstddef>
#include <span>
#include <vector>

namespace millrace::http {

/// Points into the request where nothing had to be decompressed.
struct Body {
  std::vector<std::byte> inflated;
  std::span<const std::byte> bytes;
  MemoryBudget::Reservation memory;  // of `inflated`
};

/// Content-Encoding gzip, deflate (the zlib format), zstd and identity: RFC 9110 section 8.4,
/// RFC 8878. Without the header the first bytes tell: clients of Arc send gzip and zstd so, and no
/// content that a route takes begins like these. `request` outlives the result. Errors: kTooLarge
/// (the content passes the limit), kInvalid (it is not what its encoding says), kUnsupported
/// (another encoding).
runtime::Task<Result<Body>> body_of(Context& context, const net::HttpRequest& request);

}  // namespace millrace::http
