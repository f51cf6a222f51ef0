// `millrace dump --follow`.
#pragma once

#include "base/result.h"
#include "cli/dump_lines.h"
#include "cli/interrupt.h"

#include <string>

namespace millrace::cli {

/// Prints each run that comes into a journal's folder from now on, file after file, until nobody
/// reads the output any more. A run whose payloads are not all there yet is waited for, until
/// another one stands behind it. Errors: kCancelled (the interrupt), kNotFound (no journal there),
/// kIo, kUnsupported.
Status follow_journal(const std::string& directory, const Interrupt& interrupt, DumpLines& lines);

}  // namespace millrace::cli
