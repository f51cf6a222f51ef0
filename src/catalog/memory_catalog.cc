#include "catalog/memory_catalog.h"

#include "catalog/rules.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace millrace::catalog {
namespace {

/// Where an object is, or belongs.
template <typename Rows>
auto position_of(Rows& objects, const Uuid& object) {
  return std::lower_bound(objects.begin(), objects.end(), object,
                          [](const auto& row, const Uuid& id) { return row.object < id; });
}

bool is_leaving(const Contents& contents, const Uuid& object) {
  const auto at = position_of(contents.leaving, object);
  return at != contents.leaving.end() && at->object == object;
}

const SegmentRow* find_object(const Contents& contents, const Uuid& object) {
  const auto at = position_of(contents.segments, object);
  return at != contents.segments.end() && at->object == object ? &*at : nullptr;
}

Status add_trimmed(const Contents& contents, const std::vector<TrimmedPart>& trimmed,
                   SegmentChanges& changes) {
  std::map<Uuid, size_t> left;
  for (const TrimmedPart& part : trimmed) {
    const SegmentRow* object = find_object(contents, part.object);
    if (object == nullptr) {
      return object_is_missing(part.object);
    }
    const auto found = std::ranges::find(object->parts, part.partition, &SegmentPartRow::partition);
    if (found == object->parts.end()) {
      return part_is_missing(part);
    }
    changes[part.partition].removed.push_back({found->first, found->next});
    if (--left.try_emplace(part.object, object->parts.size()).first->second == 0) {
      return no_part_is_left(part.object);
    }
  }
  return {};
}

/// For each partition of the changes, what its parts cover.
void add_extents(const Contents& contents, SegmentChanges& changes) {
  for (const SegmentRow& object : contents.segments) {
    for (const SegmentPartRow& part : object.parts) {
      const auto change = changes.find(part.partition);
      if (change != changes.end()) {
        auto& before = change->second.before;
        before = before ? OffsetRange{std::min(before->first, part.first),
                                      std::max(before->next, part.next)}
                        : OffsetRange{part.first, part.next};
      }
    }
  }
}

/// Of partitions whose last part goes.
void keep_ends(Contents& contents, const SegmentChanges& changes) {
  for (const auto& [partition, change] : changes) {
    const auto end = end_of_last(change);
    if (!end) {
      continue;
    }
    const auto at =
        std::ranges::lower_bound(contents.partitions, partition, {}, &PartitionRow::partition);
    if (at != contents.partitions.end() && at->partition == partition) {
      at->next = std::max(at->next, *end);
    } else {
      contents.partitions.insert(at, {partition, *end, *end});
    }
  }
}

}  // namespace

Status apply(Contents& contents, const BrokerPart& part) {
  MILLRACE_TRY_STATUS(check(part));
  contents.topics = part.topics;
  contents.partitions = part.partitions;
  contents.broker_place = part.place;
  std::sort(contents.topics.begin(), contents.topics.end(),
            [](const TopicRow& a, const TopicRow& b) { return a.id < b.id; });
  std::sort(contents.partitions.begin(), contents.partitions.end(),
            [](const PartitionRow& a, const PartitionRow& b) { return a.partition < b.partition; });
  return {};
}

Status apply(Contents& contents, const FlushCommit& flush) {
  MILLRACE_TRY_STATUS(check(flush));
  const auto known = contents.table_offsets.find(flush.partition);
  const Offset offset = known == contents.table_offsets.end() ? Offset{} : known->second;
  if (flush.first != offset || flush.next <= offset) {
    return offset_conflict(flush, offset);
  }
  std::set<std::string_view> paths;
  for (const FileRow& file : contents.files) {
    paths.insert(file.path);
  }
  for (const FileRow& file : flush.files) {
    if (!paths.insert(file.path).second) {
      return path_conflict(file.path);
    }
  }
  const auto table =
      std::lower_bound(contents.tables.begin(), contents.tables.end(), flush.table.topic,
                       [](const TableRow& row, const TopicId& id) { return row.topic < id; });
  if (table != contents.tables.end() && table->topic == flush.table.topic) {
    *table = flush.table;
  } else {
    contents.tables.insert(table, flush.table);
  }
  contents.files.insert(contents.files.end(), flush.files.begin(), flush.files.end());
  std::sort(contents.files.begin(), contents.files.end(), [](const FileRow& a, const FileRow& b) {
    return std::tie(a.partition, a.first, a.path) < std::tie(b.partition, b.first, b.path);
  });
  contents.table_offsets[flush.partition] = flush.next;
  contents.tables_place = flush.place;
  return {};
}

void apply_drop(Contents& contents, const TopicId& topic, const JournalPlace& place) {
  std::erase_if(contents.tables, [&](const TableRow& row) { return row.topic == topic; });
  std::erase_if(contents.files, [&](const FileRow& row) { return row.partition.topic == topic; });
  std::erase_if(contents.table_offsets,
                [&](const auto& entry) { return entry.first.topic == topic; });
  contents.tables_place = place;
}

Status apply(Contents& contents, const SegmentsCommit& commit) {
  MILLRACE_TRY_STATUS(check(commit));
  SegmentChanges changes;
  for (const Uuid& object : commit.removed) {
    const SegmentRow* found = find_object(contents, object);
    if (found == nullptr) {
      return object_is_missing(object);
    }
    for (const SegmentPartRow& part : found->parts) {
      changes[part.partition].removed.push_back({part.first, part.next});
    }
  }
  for (const SegmentRow& object : commit.added) {
    if (find_object(contents, object.object) != nullptr || is_leaving(contents, object.object)) {
      return object_is_there(object.object);
    }
    for (const SegmentPartRow& part : object.parts) {
      changes[part.partition].added.push_back({part.first, part.next});
    }
  }
  for (const LeavingObject& object : commit.leaving) {
    if (find_object(contents, object.object) != nullptr || is_leaving(contents, object.object)) {
      return object_is_there(object.object);
    }
  }
  for (const Uuid& object : commit.gone) {
    if (!is_leaving(contents, object)) {
      return object_is_missing(object);
    }
  }
  MILLRACE_TRY_STATUS(add_trimmed(contents, commit.trimmed, changes));
  add_extents(contents, changes);
  MILLRACE_TRY_STATUS(check(changes));
  keep_ends(contents, changes);
  for (const TrimmedPart& part : commit.trimmed) {
    std::erase_if(position_of(contents.segments, part.object)->parts,
                  [&](const SegmentPartRow& row) { return row.partition == part.partition; });
  }
  for (const Uuid& object : commit.removed) {
    const auto row = position_of(contents.segments, object);
    contents.leaving.insert(position_of(contents.leaving, object), {object, row->name});
    contents.segments.erase(row);
  }
  for (const Uuid& object : commit.gone) {
    contents.leaving.erase(position_of(contents.leaving, object));
  }
  for (const SegmentRow& object : commit.added) {
    contents.segments.insert(position_of(contents.segments, object.object), object);
  }
  for (const LeavingObject& object : commit.leaving) {
    contents.leaving.insert(position_of(contents.leaving, object.object), object);
  }
  contents.segments_place = commit.place;
  return {};
}

MemoryCatalog::MemoryCatalog(std::shared_ptr<MemoryStore> store) : store_(std::move(store)) {
  MutexLock lock(store_->mutex);
  contents_ = store_->contents;
}

void MemoryCatalog::fail_next(MemoryFault fault) {
  MutexLock lock(mutex_);
  fault_ = std::move(fault);
}

Status MemoryCatalog::begin(const DirectoryId& directory) {
  MutexLock lock(mutex_);
  if (is_begun_ || is_closed_) {
    return make_error(Code::kInvalid, "catalog: begin() after begin() or close()");
  }
  MILLRACE_TRY_STATUS(check_owner(contents_, directory));
  const auto fault = std::exchange(fault_, std::nullopt);
  if (fault && !fault->takes_effect) {
    return fault->error;
  }
  MutexLock store_lock(store_->mutex);
  store_->contents.is_new = false;
  store_->contents.directory = directory;
  is_begun_ = !fault;
  return fault ? Status(fault->error) : Status{};
}

template <typename Work>
Status MemoryCatalog::commit(Work work) {
  MutexLock lock(mutex_);
  if (is_read_only_) {
    return make_error(Code::kReadOnly, "catalog: an earlier commit failed");
  }
  if (!is_begun_ || is_closed_) {
    return make_error(Code::kInvalid, "catalog: a commit before begin() or after close()");
  }
  const auto fault = std::exchange(fault_, std::nullopt);
  if (fault) {
    is_read_only_ = fault->error.code == Code::kIo;
  }
  if (fault && !fault->takes_effect) {
    return fault->error;
  }
  MutexLock store_lock(store_->mutex);
  Status done = work(store_->contents);
  return fault ? Status(fault->error) : std::move(done);
}

Status MemoryCatalog::commit_broker(const BrokerPart& part) {
  return commit([&](Contents& contents) { return apply(contents, part); });
}

Status MemoryCatalog::commit_flush(const FlushCommit& flush) {
  return commit([&](Contents& contents) { return apply(contents, flush); });
}

Status MemoryCatalog::drop_table(const TopicId& topic, const JournalPlace& place) {
  return commit([&](Contents& contents) -> Status {
    MILLRACE_TRY_STATUS(check(place));
    apply_drop(contents, topic, place);
    return {};
  });
}

Status MemoryCatalog::commit_segments(const SegmentsCommit& segments) {
  return commit([&](Contents& contents) { return apply(contents, segments); });
}

Status MemoryCatalog::commit_store(const std::string& name) {
  return commit([&](Contents& contents) -> Status {
    MILLRACE_TRY_STATUS(check_store(contents, name));
    contents.store = name;
    return {};
  });
}

Status MemoryCatalog::close() {
  MutexLock lock(mutex_);
  if (is_closed_) {
    return {};
  }
  is_closed_ = true;
  const auto fault = std::exchange(fault_, std::nullopt);
  return fault ? Status(fault->error) : Status{};
}

}  // namespace millrace::catalog
