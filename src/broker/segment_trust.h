// Whether the catalog's segments and the journal belong together, asked before either is changed.
#pragma once

#include "base/result.h"
#include "catalog/catalog.h"
#include "journal/recovery.h"

#include <functional>

namespace millrace::broker {

/// `has_objects`: whether the store has any segment object; asked only when the catalog is new and
/// the journal does not reach back to where its topics began. Errors, all kCorrupt and all saying
/// what to do: offsets between the segments and the journal are in neither (the catalog is older);
/// the journal ends before the segments do (it is older); the catalog is missing and there are
/// objects. Also a malformed frame of the broker's in the journal. And those of `has_objects`.
Status check_segment_trust(const catalog::Contents& catalog, const journal::Findings& journal,
                           const std::function<Result<bool>()>& has_objects);

}  // namespace millrace::broker
