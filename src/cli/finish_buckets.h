// The end of what the first use of a bucket started.
#pragma once

#include "objects/s3_store.h"

namespace millrace::cli {

/// Lives longer than every store of a verb.
struct FinishBuckets {
  FinishBuckets() = default;
  FinishBuckets(const FinishBuckets&) = delete;
  FinishBuckets& operator=(const FinishBuckets&) = delete;

  ~FinishBuckets() { objects::S3Store::finish(); }
};

}  // namespace millrace::cli
