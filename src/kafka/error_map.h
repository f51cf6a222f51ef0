// The one table from our error codes to Kafka's.
#pragma once

#include "base/result.h"
#include "kafka/protocol/error_code.h"

namespace millrace::kafka {

/// What a client is told. Never a definite failure for an outcome that is not known; what heals by
/// itself (a full disk, a spent budget, a drain) gets a code that clients retry.
ErrorCode error_code_of(Code code);

/// For what was wrong with a record batch itself: record::parse_batch(), validate_records().
ErrorCode batch_error_code_of(Code code);

}  // namespace millrace::kafka
