#include "cli/dump_segment.h"

#include "segment/segment.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

namespace millrace::cli {
namespace {

using segment::Segment;

constexpr size_t kPiece = size_t{4} << 20;  // read at once

bool is_damage(const Error& error) {
  return error.code == Code::kCorrupt || error.code == Code::kUnsupported;
}

class DumpObject {
 public:
  DumpObject(objects::ObjectStore& store, std::string name, DumpLines& lines)
      : store_(store), name_(std::move(name)), lines_(lines) {}

  Status run() {
    MILLRACE_TRY(auto reader, store_.read(name_));
    const auto opened = Segment::open(std::move(reader), store_.location_of(name_));
    if (!opened.ok()) {
      return damage(opened.error());
    }
    const Segment& object = **opened;
    const auto header = object.header();
    lines_.print(
        describe_object(object, store_.location_of(name_), header.ok() ? &*header : nullptr));
    if (!header.ok()) {
      MILLRACE_TRY_STATUS(damage(header.error()));
    }
    for (const segment::TopicEntry& topic : object.tail().topics) {
      lines_.print(describe_topic(topic, lines_.names()));
    }
    for (const segment::PartitionRow& row : object.tail().partitions) {
      MILLRACE_TRY_STATUS(part(object, row));
    }
    return {};
  }

 private:
  /// kNotFound where the object was removed while it was read: what it then seems to be is none.
  Status damage(const Error& error) {
    if (!is_damage(error)) {
      return error;
    }
    MILLRACE_TRY_STATUS(store_.look(name_));
    lines_.damage(error.message);
    return {};
  }

  Status part(const Segment& object, const segment::PartitionRow& row) {
    lines_.print(describe_part(row, lines_.names()));
    const auto index = object.index(row);
    if (!index.ok()) {
      return damage(index.error());
    }
    auto entry = index->batches.begin();
    while (entry != index->batches.end()) {
      const auto batches = object.read(row, *index, entry->base, kPiece);
      if (!batches.ok()) {
        MILLRACE_TRY_STATUS(damage(batches.error()));
        ++entry;
        continue;
      }
      for (const record::StoredBatch& batch : *batches) {
        lines_.batch(frame_of(row, *entry), batch.payload);
        ++entry;
      }
    }
    for (const auto& line : describe_state(row, index->state, lines_.names())) {
      lines_.print(line);
    }
    return {};
  }

  objects::ObjectStore& store_;
  const std::string name_;
  DumpLines& lines_;
};

}  // namespace

Status dump_object(objects::ObjectStore& store, const std::string& name, DumpLines& lines) {
  return DumpObject(store, name, lines).run();
}

Result<size_t> dump_objects(objects::ObjectStore& store, const std::string& folder,
                            DumpLines& lines) {
  MILLRACE_TRY(const auto objects, store.list(folder));
  for (const objects::ObjectInfo& object : objects) {
    const Status dumped = dump_object(store, object.name, lines);
    if (!dumped.ok() && dumped.error().code != Code::kNotFound) {  // removed meanwhile
      return dumped.error();
    }
  }
  return objects.size();
}

}  // namespace millrace::cli
