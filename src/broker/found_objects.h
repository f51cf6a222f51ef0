// Segment objects as they say themselves, without a catalog.
#pragma once

#include "base/result.h"
#include "objects/object_store.h"
#include "segment/format.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace millrace::broker {

struct FoundObject {
  std::string name;
  uint64_t bytes = 0;
  segment::Header header;
  segment::Tail tail;
};

/// An object that stays as it is and is not used.
struct UnusedObject {
  std::string name;
  std::string why;
};

struct FoundObjects {
  std::vector<FoundObject> objects;  // by name
  std::vector<UnusedObject> unused;  // damaged, of a newer version, renamed, no segment object
};

/// Reads the ends and headers of all segment objects of a store, two requests each. `progress` is
/// told how many of how many are read. Blocking; changes nothing. Errors: the store's.
Result<FoundObjects> find_objects(objects::ObjectStore& store,
                                  const std::function<void(size_t, size_t)>& progress);

}  // namespace millrace::broker
