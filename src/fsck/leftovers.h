// Files that never hold a record and that a crash leaves behind.
#pragma once

#include "base/result.h"
#include "fsck/work.h"
#include "objects/object_store.h"

namespace millrace::fsck {

/// What stands under tmp/, half-made files beside the catalog and in the journal, stored indexes of
/// the journal that are of no use, blocks of a cache that are of no object. `segments`: where their
/// objects are. `is_trusted` false: journal and catalog do not belong together, and a stored index
/// without its file says that this is missing. Errors: kIo, those of the store.
Status find_leftovers(Work& work, objects::ObjectStore& segments, bool is_trusted);

}  // namespace millrace::fsck
