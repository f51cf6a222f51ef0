// Objects of which others have every record.
#pragma once

#include "base/result.h"
#include "catalog/catalog.h"
#include "objects/object_store.h"

#include <vector>

namespace millrace::server {

/// Those of `objects` whose every batch is in one of `named`, at the same offset and with the same
/// bytes, as their indexes say: nothing needs them. Fillers are in none and needed by none. What
/// cannot be read is no double. Blocking. Errors: the store's.
Result<std::vector<catalog::LeavingObject>> find_doubles(
    objects::ObjectStore& store, std::vector<catalog::LeavingObject> objects,
    const std::vector<catalog::SegmentRow>& named);

}  // namespace millrace::server
