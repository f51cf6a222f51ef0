// Whether the catalog and the journal belong together, asked before either is changed.
// Rules: "System frames and the catalog" in docs/formats/catalog.md.
#pragma once

#include "base/result.h"
#include "catalog/catalog.h"
#include "journal/recovery.h"

namespace millrace::tables {

/// Whether the journal has, or had, each run that the catalog rests on. Errors: kCorrupt, saying
/// what to do.
Status check_places(const catalog::Contents& catalog, const journal::Findings& journal);

/// Errors, all kCorrupt and all saying what to do: the catalog belongs to another directory; it
/// rests on a run that the journal does not have (the journal is older); the journal no longer
/// holds rows that no table file of the catalog has (the catalog is older, or missing: names the
/// tables).
Status check_trust(const catalog::Contents& catalog, const journal::Findings& journal);

}  // namespace millrace::tables
