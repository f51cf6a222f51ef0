// Every file of the journal, wholly. Rules: docs/formats/journal.md.
#pragma once

#include "base/result.h"
#include "catalog/catalog.h"
#include "fsck/work.h"

namespace millrace::fsck {

/// Follows the runs of all files, from the oldest on, over every place where they do not go on, and
/// checks each header, frame and payload. What is not as it should be is damage where a header
/// proves that the run there was durable, else a torn tail. `catalog`: says which directory it is,
/// and how far partitions went; empty where that is not known. Errors: kUnsupported (a newer
/// version wrote it), kIo, kCancelled.
Status check_journal(Work& work, const catalog::Contents& catalog);

}  // namespace millrace::fsck
