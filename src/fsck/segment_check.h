// Every segment object, wholly, and the rows of the catalog that name them.
#pragma once

#include "base/result.h"
#include "catalog/catalog.h"
#include "fsck/start.h"
#include "fsck/work.h"
#include "objects/object_store.h"

namespace millrace::fsck {

/// `catalog`: null when it cannot be read; then objects are compared with themselves alone. Objects
/// that it does not name are judged by `start` if that is trusted. Errors: those of the store that
/// say nothing about an object, kCancelled.
Status check_segments(Work& work, objects::ObjectStore& store, const catalog::Contents* catalog,
                      const Start& start);

}  // namespace millrace::fsck
