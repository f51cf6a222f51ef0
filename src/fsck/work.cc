#include "fsck/work.h"

#include <algorithm>

namespace millrace::fsck {

size_t Report::count(Kind kind) const {
  return static_cast<size_t>(std::ranges::count(findings, kind, &Finding::kind));
}

Status Work::read(uint64_t bytes) {
  report.bytes += bytes;
  if (progress) {
    progress(report.bytes);
  }
  return stop != nullptr && stop->load() ? Status(make_error(Code::kCancelled, "interrupted"))
                                         : Status();
}

}  // namespace millrace::fsck
