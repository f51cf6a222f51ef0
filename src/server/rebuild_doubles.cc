#include "server/rebuild_doubles.h"

#include "segment/object_check.h"
#include "segment/segment.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <string>

namespace millrace::server {
namespace {

using segment::BatchEntry;
using segment::Segment;

/// null: it cannot be opened.
Result<std::unique_ptr<Segment>> open(objects::ObjectStore& store, const std::string& name) {
  auto reader = store.read(name);
  if (!reader.ok()) {
    return segment::is_of_the_object(reader.error()) ? Result(std::unique_ptr<Segment>())
                                                     : std::move(reader).error();
  }
  auto object = Segment::open(*std::move(reader), name);
  return object.ok() || !segment::is_of_the_object(object.error())
             ? std::move(object)
             : Result(std::unique_ptr<Segment>());
}

/// Empty: there is none that can be read.
Result<std::vector<BatchEntry>> batches_of(const Segment* object, TopicPartition partition) {
  const auto* row = object == nullptr ? nullptr : object->tail().partition(partition);
  if (row == nullptr) {
    return std::vector<BatchEntry>();
  }
  auto index = object->index(*row);
  if (!index.ok()) {
    return segment::is_of_the_object(index.error()) ? Result(std::vector<BatchEntry>())
                                                    : std::move(index).error();
  }
  return std::move(index->batches);
}

/// The batches of named objects, a part at a time.
class Named {
 public:
  Named(objects::ObjectStore& store, const std::vector<catalog::SegmentRow>& rows) : store_(store) {
    for (const catalog::SegmentRow& row : rows) {
      for (const catalog::SegmentPartRow& part : row.parts) {
        parts_[part.partition].emplace(part.first, Part{part.next, &row.name});
      }
    }
  }

  Result<bool> has(TopicPartition partition, const BatchEntry& batch) {
    const auto parts = parts_.find(partition);
    if (parts == parts_.end()) {
      return false;
    }
    const auto behind = parts->second.upper_bound(batch.base);
    if (behind == parts->second.begin() || std::prev(behind)->second.next <= batch.base) {
      return false;
    }
    const std::string& name = *std::prev(behind)->second.object;
    if (name_ != name || partition_ != partition) {
      MILLRACE_TRY(const auto object, open(store_, name));
      MILLRACE_TRY(batches_, batches_of(object.get(), partition));
      name_ = name;
      partition_ = partition;
    }
    const auto found = std::ranges::lower_bound(batches_, batch.base, {}, &BatchEntry::base);
    return found != batches_.end() && *found == batch;
  }

 private:
  struct Part {
    Offset next;
    const std::string* object;
  };

  objects::ObjectStore& store_;
  std::map<TopicPartition, std::map<Offset, Part>> parts_;
  std::string name_;  // whose batches these are
  TopicPartition partition_;
  std::vector<BatchEntry> batches_;
};

Result<bool> is_double(objects::ObjectStore& store, const std::string& name, Named& named) {
  MILLRACE_TRY(const auto object, open(store, name));
  if (object == nullptr) {
    return false;
  }
  for (const segment::PartitionRow& row : object->tail().partitions) {
    MILLRACE_TRY(const auto batches, batches_of(object.get(), row.partition));
    if (batches.size() != row.batches) {
      return false;
    }
    for (const BatchEntry& batch : batches) {
      MILLRACE_TRY(const bool has, batch.records == 0 ? true : named.has(row.partition, batch));
      if (!has) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

Result<std::vector<catalog::LeavingObject>> find_doubles(
    objects::ObjectStore& store, std::vector<catalog::LeavingObject> objects,
    const std::vector<catalog::SegmentRow>& rows) {
  Named named(store, rows);
  std::vector<catalog::LeavingObject> doubles;
  for (catalog::LeavingObject& object : objects) {
    MILLRACE_TRY(const bool is, is_double(store, object.name, named));
    if (is) {
      doubles.push_back(std::move(object));
    }
  }
  return doubles;
}

}  // namespace millrace::server
