// The catalog's twin in memory, for tests of what uses one; it can be told to fail.
#pragma once

#include "base/mutex.h"
#include "catalog/catalog.h"

#include <memory>
#include <optional>

namespace millrace::catalog {

// What a commit does to what there is, in the order that Contents states. Errors: kInvalid,
// kConflict as of Catalog; nothing was changed then.
Status apply(Contents& contents, const BrokerPart& part);
Status apply(Contents& contents, const FlushCommit& flush);
void apply_drop(Contents& contents, const TopicId& topic, const JournalPlace& place);
Status apply(Contents& contents, const SegmentsCommit& commit);

/// What outlives a MemoryCatalog as a database outlives a process; is_new until a first begin().
struct MemoryStore {
  Mutex mutex;
  Contents contents MILLRACE_GUARDED_BY(mutex);

  MemoryStore() { contents.is_new = true; }
};

/// How the next begin, commit, drop or close ends instead of well.
struct MemoryFault {
  Error error;                // kIo of a commit makes the catalog read-only, as with a real one
  bool takes_effect = false;  // of unknown outcome, and it did happen
};

/// Thread-safe; answers as open_sqlite()'s does. `store` is shared with those opened after it.
class MemoryCatalog final : public Catalog {
 public:
  explicit MemoryCatalog(std::shared_ptr<MemoryStore> store);

  /// For the next call alone.
  void fail_next(MemoryFault fault);

  const Contents& contents() const override { return contents_; }

  Status begin(const DirectoryId& directory) override;
  Status commit_broker(const BrokerPart& part) override;
  Status commit_flush(const FlushCommit& flush) override;
  Status drop_table(const TopicId& topic, const JournalPlace& place) override;
  Status commit_segments(const SegmentsCommit& commit) override;
  Status commit_store(const std::string& name) override;
  Status close() override;

 private:
  template <typename Work>
  Status commit(Work work) MILLRACE_EXCLUDES(mutex_);

  const std::shared_ptr<MemoryStore> store_;
  Contents contents_;  // set once, by the constructor
  Mutex mutex_;
  std::optional<MemoryFault> fault_ MILLRACE_GUARDED_BY(mutex_);
  bool is_begun_ MILLRACE_GUARDED_BY(mutex_) = false;
  bool is_closed_ MILLRACE_GUARDED_BY(mutex_) = false;
  bool is_read_only_ MILLRACE_GUARDED_BY(mutex_) = false;
};

}  // namespace millrace::catalog
