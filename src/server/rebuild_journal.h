// What rebuild() knows without a catalog, and a journal that it makes.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "broker/found_objects.h"
#include "broker/topic.h"
#include "catalog/catalog.h"
#include "io/disk.h"
#include "journal/index.h"
#include "record/commit_log.h"
#include "tables/found_files.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace::server {

using Topics = std::map<TopicId, broker::TopicRecord>;
using Ranges = std::map<TopicPartition, record::PartitionRange>;
using Starts = std::map<TopicPartition, Offset>;  // below which records were deleted

/// What a start would find.
struct KnownJournal {
  DirectoryId directory;
  JournalPlace place;  // a durable run
  Topics topics;       // tombstones too
  Ranges kept;         // of each partition of topics that are there
  Starts starts;       // of those with deleted records
  std::vector<journal::FileSummary> files;
  std::vector<tables::JournalTable> tables;
};

/// Reads a journal as a start does, and changes nothing. `catalog`: one that is there, or null.
/// Errors: those of journal::recover(); kNotFound (there is none); kCorrupt (the catalog rests on
/// what the journal does not have).
Result<KnownJournal> read_journal(io::Disk& disk, const std::string& path,
                                  const catalog::Contents* catalog);

/// Topics by the entries of objects, of each the newest. Of topics of one name only that made last
/// is taken: those before it were deleted. `left`: what is not taken, and why.
Topics topics_of(const broker::FoundObjects& found, std::map<TopicId, std::string>& left);

}  // namespace millrace::server
