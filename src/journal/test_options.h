// Options of a journal in /data/journal, for tests of it and of what stands above it.
#pragma once

#include "journal/commit_log.h"

#include <cstdint>

namespace millrace::journal {

/// Every file has `file_bytes`, the first one too.
inline JournalOptions test_options(uint64_t file_bytes) {
  JournalOptions options;
  options.directory = "/data/journal";
  options.recovery.quarantine = "/data/quarantine";
  options.recovery.writer.file_bytes = file_bytes;
  options.recovery.writer.first_file_bytes = file_bytes;
  return options;
}

}  // namespace millrace::journal
