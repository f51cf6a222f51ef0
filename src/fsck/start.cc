#include "fsck/start.h"

#include "base/clock.h"
#include "broker/segment_trust.h"
#include "broker/start_fact.h"
#include "fsck/chain.h"
#include "journal/recovery.h"
#include "segment/format.h"
#include "tables/trust.h"

#include <algorithm>
#include <functional>
#include <set>

namespace millrace::fsck {
namespace {

using catalog::Contents;
using journal::Findings;

using Ends = std::map<TopicPartition, Offset>;

/// Where the segments that the catalog names end.
Ends ends_of(const Contents& catalog) {
  Ends ends;
  for (const catalog::SegmentRow& segment : catalog.segments) {
    for (const catalog::SegmentPartRow& part : segment.parts) {
      Offset& end = ends[part.partition];
      end = std::max(end, part.next);
    }
  }
  return ends;
}

class Judgement {
 public:
  Judgement(Work& work, const Contents& catalog, objects::ObjectStore& segments)
      : work_(work), catalog_(catalog), segments_(segments) {}

  Result<Start> run() {
    bool was_asked = false;
    journal::RecoveryOptions options;
    options.expected = catalog_.directory;
    options.stop = work_.stop;
    options.approve = [&](const Findings& found) -> Status {
      was_asked = true;
      MILLRACE_TRY_STATUS(take(found));
      return make_error(Code::kReadOnly, "a check ends here");
    };
    journal::Files files(work_.disk, work_.data + "/journal");
    journal::Index index;
    const auto recovered = journal::recover(files, index, options);
    const Error& error = recovered.error();  // always: approve() answers one
    if (was_asked && error.code == Code::kReadOnly) {
      return std::move(start_);
    }
    const bool is_unreadable = error.code == Code::kIo && !was_asked;  // a file of the journal
    if (error.code != Code::kCorrupt && !is_unreadable) {
      return error;
    }
    start_.refused = error;
    return std::move(start_);
  }

 private:
  Status take(const Findings& found) {
    start_.directory = found.directory();
    if (!start_.directory) {
      start_.directory = catalog_.directory;
    }
    MILLRACE_TRY_STATUS(take_facts(found));
    take_ranges(found);
    MILLRACE_TRY(const auto files, work_.disk.list(work_.data + "/journal"));
    for (const io::DirectoryEntry& file : files) {
      start_.journal_bytes += file.size;
      newest_file_ = std::max(newest_file_, journal::number_of(file.name).value_or(FileNumber{0}));
    }
    is_journal_older_ = !tables::check_places(catalog_, found).ok() || is_behind_objects();
    const Status tables = tables::check_trust(catalog_, found);
    MILLRACE_TRY_STATUS(distrust(tables, not_in_the_journal()));
    const Status objects = broker::check_segment_trust(catalog_, found, [this]() -> Result<bool> {
      MILLRACE_TRY(const auto all, segments_.list(segment::kFolder));
      return !all.empty();
    });
    MILLRACE_TRY_STATUS(distrust(objects, offsets_in_neither()));
    start_.is_trusted = tables.ok() && objects.ok();
    return {};
  }

  Status take_facts(const Findings& found) {
    for (const auto& frame : found.facts(record::SystemKind::kTopic)) {
      MILLRACE_TRY(auto topic, broker::TopicRecord::from_frame(frame));
      work_.report.names[topic.id] = topic.name;
      start_.topics.emplace(topic.id, std::move(topic));
    }
    for (const auto& frame : found.facts(record::SystemKind::kStart)) {
      MILLRACE_TRY(const auto fact, broker::start_fact_from(frame));
      start_.deleted_below.emplace(fact.partition, fact.start);
    }
    for (const auto& frame : found.facts(record::SystemKind::kSchema)) {
      MILLRACE_TRY(auto table, tables::schema_fact_from(frame));
      start_.tables.emplace(table.topic, std::move(table));
    }
    return {};
  }

  void take_ranges(const Findings& found) {
    std::set<TopicPartition> partitions;
    for (const auto& [id, topic] : start_.topics) {
      for (int32_t i = 0; i < topic.partitions; ++i) {
        partitions.insert({id, PartitionId{i}});
      }
    }
    for (const auto& [partition, end] : ends_of(catalog_)) {
      partitions.insert(partition);
    }
    for (const auto& [partition, next] : catalog_.table_offsets) {
      partitions.insert(partition);
    }
    for (const TopicPartition& partition : partitions) {
      start_.ranges[partition] = found.range(partition);
    }
  }

  Status distrust(const Status& status, std::vector<Touched> touched) {
    if (status.ok() || status.error().code != Code::kCorrupt) {
      return status;
    }
    work_.add({.problem = "distrust",
               .file = work_.data + "/catalog.db",
               .what = status.error().message,
               .touched = std::move(touched),
               .advice = advice()});
    return {};
  }

  std::string advice() const {
    if (catalog_.is_new) {
      return "put catalog.db back from a copy of this time, or make it again: millrace rebuild";
    }
    if (!is_journal_older_) {
      return "put the newer catalog.db back, or make it again: millrace rebuild --replace";
    }
    const FileNumber newest = newest_place();
    return fmt::format(
        "put {} back, or both journal and catalog.db from one copy. To do without what came behind "
        "the journal's end, move catalog.db away and say millrace rebuild, which names the objects "
        "that are to be moved away with it, if there are any: clients may have seen offsets that "
        "others get then",
        newest > newest_file_ ? journal::file_name(newest) : "the newer journal");
  }

  /// The last journal file that the catalog rests on.
  FileNumber newest_place() const {
    FileNumber newest{0};
    for (const auto& place :
         {catalog_.broker_place, catalog_.tables_place, catalog_.segments_place}) {
      newest = std::max(newest, place ? place->file : FileNumber{0});
    }
    return newest;
  }

  bool is_there(const TopicId& id) const {
    const auto topic = start_.topics.find(id);
    return topic != start_.topics.end() && !topic->second.is_deleted;
  }

  bool is_behind_objects() const {
    return std::ranges::any_of(ends_of(catalog_), [this](const auto& end) {
      return is_there(end.first.topic) && start_.range(end.first).end < end.second;
    });
  }

  /// Offsets that the catalog knows of and the journal does not, and rows that neither has.
  std::vector<Touched> not_in_the_journal() const {
    std::vector<Touched> touched;
    for (const catalog::PartitionRow& row : catalog_.partitions) {
      const Offset end = start_.range(row.partition).end;
      if (is_there(row.partition.topic) && end < row.next) {
        touched.push_back({row.partition, end, row.next});
      }
    }
    for (const auto& [topic, table] : start_.tables) {
      const TopicPartition partition{topic, PartitionId{0}};
      const auto known = catalog_.table_offsets.find(partition);
      const Offset tabled = known == catalog_.table_offsets.end() ? Offset{0} : known->second;
      if (const Offset begin = start_.range(partition).start; begin > tabled) {
        touched.push_back({partition, tabled, begin});
      }
    }
    return touched;
  }

  std::vector<Touched> offsets_in_neither() const {
    std::vector<Touched> touched;
    for (const auto& [partition, end] : ends_of(catalog_)) {
      const record::PartitionRange range = start_.range(partition);
      if (!is_there(partition.topic)) {
        continue;
      }
      if (range.end < end) {
        touched.push_back({partition, range.end, end});
      } else if (range.start > end) {
        touched.push_back({partition, end, range.start});
      }
    }
    return touched;
  }

  Work& work_;
  const Contents& catalog_;
  objects::ObjectStore& segments_;
  Start start_;
  FileNumber newest_file_{0};  // of the journal's
  bool is_journal_older_ = false;
};

}  // namespace

record::PartitionRange Start::range(TopicPartition partition) const {
  const auto found = ranges.find(partition);
  return found == ranges.end() ? record::PartitionRange{} : found->second;
}

Offset Start::deletion(TopicPartition partition) const {
  const auto found = deleted_below.find(partition);
  return found == deleted_below.end() ? Offset{0} : found->second;
}

broker::OrphanRules Start::orphan_rules(const Contents& catalog, broker::WhyUnreadable why) const {
  const auto state = [this](const TopicId& id) {
    const auto topic = topics.find(id);
    return topic == topics.end()      ? broker::TopicState::kUnknown
           : topic->second.is_deleted ? broker::TopicState::kDeleted
                                      : broker::TopicState::kThere;
  };
  const auto end = [this, ends = ends_of(catalog)](TopicPartition partition) {
    const auto segments = ends.find(partition);
    return std::max(range(partition).end, segments == ends.end() ? Offset{0} : segments->second);
  };
  std::map<TopicPartition, Offset> firsts;
  std::map<TopicPartition, uint64_t> bytes;  // in objects: less than there is, so that more is kept
  for (const catalog::SegmentRow& object : catalog.segments) {
    for (const catalog::SegmentPartRow& part : object.parts) {
      const auto [at, is_new] = firsts.try_emplace(part.partition, part.first);
      at->second = std::min(at->second, part.first);
      bytes[part.partition] += part.bytes;
    }
  }
  const auto start = [this, firsts = std::move(firsts)](TopicPartition partition) {
    const auto first = firsts.find(partition);
    const Offset kept = range(partition).start;
    return first == firsts.end() ? kept : std::min(kept, first->second);
  };
  const auto is_expired = [this, bytes = std::move(bytes)](const segment::PartitionRow& row) {
    const auto topic = topics.find(row.partition.topic);
    const auto behind = bytes.find(row.partition);
    return topic == topics.end() ||
           topic->second.settings.is_expired(row.max_timestamp_ms,
                                             behind == bytes.end() ? 0 : behind->second,
                                             system_clock().wall_ms().time_since_epoch().count());
  };
  const auto deleted = [this](TopicPartition partition) { return deletion(partition); };
  return {
      directory.value_or(DirectoryId()), state, end, start, is_expired, deleted, std::move(why)};
}

Result<Start> judge_start(Work& work, const Contents& catalog, objects::ObjectStore& segments) {
  return Judgement(work, catalog, segments).run();
}

}  // namespace millrace::fsck
