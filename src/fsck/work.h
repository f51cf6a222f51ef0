// What the parts of a check share.
#pragma once

#include "base/result.h"
#include "fsck/report.h"
#include "io/disk.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace millrace::fsck {

/// One thread.
struct Work {
  io::Disk& disk;
  std::string data;  // the directory
  Report& report;
  std::function<void(uint64_t)> progress;  // bytes read so far
  const std::atomic<bool>* stop = nullptr;

  void add(Finding finding) { report.findings.push_back(std::move(finding)); }

  /// Counts what was read. Errors: kCancelled.
  Status read(uint64_t bytes);
};

}  // namespace millrace::fsck
