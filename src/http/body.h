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

/// Content-Encoding gzip and identity. `request` outlives the result. Errors: kTooLarge (the
/// content passes the limit), kInvalid (it is not what its encoding says), kUnsupported (another
/// encoding), kOverloaded.
runtime::Task<Result<Body>> body_of(Context& context, const net::HttpRequest& request);

}  // namespace millrace::http
