// Of objects with the same offsets, which one a rebuild must not name.
#pragma once

#include "base/result.h"
#include "broker/found_objects.h"
#include "objects/object_store.h"

namespace millrace::server {

/// Reads what more than one object has. A part of it that cannot be read whole is taken out of its
/// object, and told as unused, where parts of others that can be have all of its offsets. Blocking.
/// Errors: the store's.
Status leave_damaged_doubles(objects::ObjectStore& store, broker::FoundObjects& found);

}  // namespace millrace::server
