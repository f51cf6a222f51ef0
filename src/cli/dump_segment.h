// `millrace dump` of segment objects.
#pragma once

#include "base/result.h"
#include "cli/dump_lines.h"
#include "objects/object_store.h"

#include <string>

namespace millrace::cli {

/// One object: what it says of itself, its topics, then of each partition all batches and what
/// stands beside them. Damage is a line. Errors: those of the store, kNotFound too.
Status dump_object(objects::ObjectStore& store, const std::string& name, DumpLines& lines);

/// All objects in `folder` of the store, in order of name; passes over those that are removed
/// meanwhile. Returns how many there were.
Result<size_t> dump_objects(objects::ObjectStore& store, const std::string& folder,
                            DumpLines& lines);

}  // namespace millrace::cli
