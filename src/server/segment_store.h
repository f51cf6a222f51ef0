// Where segment objects are.
#pragma once

#include "base/result.h"
#include "io/disk.h"
#include "objects/object_store.h"
#include "server/options.h"

#include <memory>

namespace millrace::server {

/// The bucket of the options, or else their data directory. A bucket is not asked for anything yet.
/// Errors: kInvalid (an option of the bucket), those of objects::LocalStore::open.
Result<std::unique_ptr<objects::ObjectStore>> open_segment_store(io::Disk& disk,
                                                                 const Options& options);

}  // namespace millrace::server
