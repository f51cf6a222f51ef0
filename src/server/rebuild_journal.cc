#include "server/rebuild_journal.h"

#include "broker/start_fact.h"
#include "journal/recovery.h"
#include "tables/schema_frame.h"
#include "tables/trust.h"

#include <tuple>

namespace millrace::server {
namespace {

Status take(const journal::Findings& found, KnownJournal& known) {
  known.directory = found.directory().value_or(DirectoryId{});
  known.place = found.proven();
  for (const auto& frame : found.facts(record::SystemKind::kTopic)) {
    MILLRACE_TRY(broker::TopicRecord topic, broker::TopicRecord::from_frame(frame));
    for (int32_t i = 0; i < topic.partitions && !topic.is_deleted; ++i) {
      const TopicPartition partition{topic.id, PartitionId{i}};
      known.kept[partition] = found.range(partition);
    }
    known.topics.emplace(topic.id, std::move(topic));
  }
  for (const auto& frame : found.facts(record::SystemKind::kStart)) {
    MILLRACE_TRY(const broker::StartFact fact, broker::start_fact_from(frame));
    known.starts.emplace(fact.partition, fact.start);
  }
  for (const auto& frame : found.facts(record::SystemKind::kSchema)) {
    MILLRACE_TRY(tables::SchemaFact fact, tables::schema_fact_from(frame));
    const record::PartitionRange kept = found.range({fact.topic, PartitionId{0}});
    known.tables.push_back({std::move(fact), frame.value, kept});
  }
  return {};
}

record::SystemFrame frame_of(const segment::TopicEntry& entry) {
  return {record::SystemKind::kTopic,
          false,
          {reinterpret_cast<const char*>(entry.id.bytes.data()), entry.id.bytes.size()},
          entry.topic};
}

}  // namespace

Result<KnownJournal> read_journal(io::Disk& disk, const std::string& path,
                                  const catalog::Contents* catalog) {
  journal::Files files(disk, path);
  journal::Index index;
  KnownJournal known;
  bool is_taken = false;
  journal::RecoveryOptions options;
  // Recovery asks before it changes anything, and goes no further when it is refused.
  options.approve = [&](const journal::Findings& found) -> Status {
    if (catalog != nullptr && catalog->directory == found.directory()) {
      if (Status rests = tables::check_places(*catalog, found); !rests.ok()) {
        rests.error().message +=
            "; to do without what came behind its end, move catalog.db away first: clients may "
            "have seen offsets that others get then";
        return rests;
      }
    }
    MILLRACE_TRY_STATUS(take(found, known));
    known.files = index.summaries();
    is_taken = true;
    return make_error(Code::kCancelled, "it was only read");
  };
  const auto refused = journal::recover(files, index, options);
  if (!is_taken) {
    return refused.error();
  }
  if (known.directory.is_none()) {
    return make_error(Code::kNotFound, "{}: no journal file has a run", path);
  }
  return known;
}

Topics topics_of(const broker::FoundObjects& found, std::map<TopicId, std::string>& left) {
  std::map<TopicId, std::pair<const broker::FoundObject*, const segment::TopicEntry*>> newest;
  const auto is_newer = [](const broker::FoundObject& a, const broker::FoundObject& b) {
    return std::tuple(a.header.created_ms, a.header.object) >
           std::tuple(b.header.created_ms, b.header.object);
  };
  for (const broker::FoundObject& object : found.objects) {
    for (const segment::TopicEntry& entry : object.tail.topics) {
      auto& [last, value] = newest[entry.id];
      if (last == nullptr || is_newer(object, *last)) {
        last = &object;
        value = &entry;
      }
    }
  }
  Topics topics;
  std::map<std::string, TopicId> by_name;
  for (const auto& [id, last] : newest) {
    auto topic = broker::TopicRecord::from_frame(frame_of(*last.second));
    if (!topic.ok()) {
      left[id] = topic.error().message;
      continue;
    }
    const auto [at, is_first] = by_name.try_emplace(topic->name, id);
    if (is_first) {
      topics.emplace(id, *std::move(topic));
      continue;
    }
    const bool is_later = topic->created_ms > topics.at(at->second).created_ms;
    const TopicId gone = is_later ? at->second : id;
    left[gone] = "another topic " + topic->name + " was made later";
    if (is_later) {
      topics.erase(at->second);
      at->second = id;
      topics.emplace(id, *std::move(topic));
    }
  }
  return topics;
}

}  // namespace millrace::server
