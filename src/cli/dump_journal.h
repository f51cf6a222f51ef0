// `millrace dump` of journal files.
#pragma once

#include "base/result.h"
#include "cli/dump_lines.h"
#include "journal/scan.h"

#include <string>

namespace millrace::cli {

/// A run, its frames, and what they hold.
void dump_run(const journal::JournalFile& file, const journal::RunHead& run, DumpLines& lines);

/// What dump_run() would learn of topics, without a line.
void learn_names(const journal::JournalFile& file, const journal::RunHead& run, DumpLines& lines);

/// Its runs from the start of the file to the first place that holds none, then what is behind it.
/// Errors: kInvalid (not named as a journal file), kNotFound, kIo, kUnsupported.
Status dump_journal_file(const std::string& path, DumpLines& lines);

/// File after file of a journal's folder; passes over those that are freed meanwhile. Returns
/// whether there was any; false also where there is no such folder.
Result<bool> dump_journal(const std::string& directory, DumpLines& lines);

}  // namespace millrace::cli
