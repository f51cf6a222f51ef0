// How many files and sockets this process may have open.
#pragma once

#include "base/result.h"

#include <cstdint>

namespace millrace::server {

/// Fewer do not carry the server's own files and a few connections and queries.
constexpr uint64_t kFewestOpenFiles = 64;

/// Raises the limit (RLIMIT_NOFILE) to the most that this process may ask for. Errors: kOverloaded,
/// when that is below kFewestOpenFiles.
Status raise_open_file_limit();

}  // namespace millrace::server
