// Every file of the journal, wholly. Rules: docs/formats/journal.md.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "fsck/work.h"

#include <optional>

namespace millrace::fsck {

/// Follows the runs of all files, from the oldest on, over every place where they do not go on, and
/// checks each header, frame and payload. What is not as it should be is damage where a header
/// proves that the run there was durable, else a torn tail. `expected`: the directory, where the
/// catalog says it. Errors: kUnsupported (a newer version wrote it), kIo, kCancelled.
Status check_journal(Work& work, const std::optional<DirectoryId>& expected);

}  // namespace millrace::fsck
