// What the S3 client says of a failed request, as an Error that says what to do about it.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace millrace::objects {

/// For messages: where a store is.
struct S3Place {
  std::string endpoint;  // as set; empty: Amazon's
  std::string region;    // as set
  std::string bucket;
};

/// `action`: what was tried, on what ("read s3://bucket/name"). `said`: Arrow's message, which
/// names the error by its word of the SDK: "AWS Error SLOW_DOWN during PutObject operation: ...".
/// kNotFound for an object that is not there, kOverloaded with kBackoff for what passes by itself,
/// kForbidden with a hint for what somebody must mend, else kIo.
Error s3_error(const S3Place& place, std::string_view action, std::string_view said);

/// kForbidden.
Error no_such_bucket(const S3Place& place, std::string_view action);

}  // namespace millrace::objects
