// What a start would say of the directory: recovery of the journal up to where it would change
// something, and the trust between journal and catalog.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "broker/orphans.h"
#include "broker/topic.h"
#include "catalog/catalog.h"
#include "fsck/work.h"
#include "objects/object_store.h"
#include "record/commit_log.h"
#include "tables/schema_frame.h"

#include <map>
#include <optional>

namespace millrace::fsck {

struct Start {
  std::optional<Error> refused;  // by the journal; then nothing below is known
  bool is_trusted = false;       // journal and catalog belong together
  std::optional<DirectoryId> directory;
  std::map<TopicId, broker::TopicRecord> topics;  // also tombstones
  std::map<TopicId, tables::SchemaFact> tables;
  std::map<TopicPartition, record::PartitionRange> ranges;  // of topics, and all the catalog names
  std::map<TopicPartition, Offset> deleted_below;           // of those with deleted records
  uint64_t journal_bytes = 0;                               // of its files

  record::PartitionRange range(TopicPartition partition) const;
  /// Records below it were deleted.
  Offset deletion(TopicPartition partition) const;
  broker::OrphanRules orphan_rules(const catalog::Contents& catalog,
                                   broker::WhyUnreadable why) const;
};

/// Adds a finding for each part of the catalog that the journal does not fit to, and names. Errors:
/// what is not damage.
Result<Start> judge_start(Work& work, const catalog::Contents& catalog,
                          objects::ObjectStore& segments);

}  // namespace millrace::fsck
