// Every Parquet file that the catalog names, wholly, and those under tables/ that it does not name.
#pragma once

#include "base/result.h"
#include "catalog/catalog.h"
#include "fsck/start.h"
#include "fsck/work.h"
#include "objects/object_store.h"

namespace millrace::fsck {

/// `catalog`: null when it cannot be read; then nothing can be said of any file. Files that it does
/// not name are judged by `start` if that is trusted. Errors: kOverloaded, kCancelled.
Status check_tables(Work& work, objects::ObjectStore& store, const catalog::Contents* catalog,
                    const Start& start);

}  // namespace millrace::fsck
