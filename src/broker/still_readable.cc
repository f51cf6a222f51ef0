#include "broker/still_readable.h"

#include "segment/object_check.h"

#include <algorithm>

namespace millrace::broker {
namespace {

bool has(const RecordSource& source, TopicPartition partition, Offset offset) {
  const auto range = source.range(partition);
  return range && range->start <= offset && offset < range->end;
}

/// Of whichever begins earlier.
Offset start_of(const RecordSource& objects, const RecordSource& journal,
                TopicPartition partition) {
  const auto kept = journal.range(partition);
  const auto range = objects.range(partition);
  if (!kept || !range) {
    return kept ? kept->start : range ? range->start : Offset{0};
  }
  return std::min(kept->start, range->start);
}

}  // namespace

Result<std::optional<std::string>> why_unreadable(const RecordSource& objects,
                                                  const RecordSource& journal,
                                                  TopicPartition partition, Offset first,
                                                  Offset next) {
  while (first < next) {
    Result<std::vector<record::StoredBatch>> batches = std::vector<record::StoredBatch>();
    if (has(objects, partition, first)) {
      batches = objects.read(partition, first);
    }
    if ((!batches.ok() || batches->empty()) && has(journal, partition, first)) {
      batches = journal.read(partition, first);
      const bool is_freed = !batches.ok() && batches.error().code == Code::kNotFound &&
                            !has(journal, partition, first);
      if (is_freed) {  // which moved its start beyond `first`, so this comes to an end
        first = std::max(first, start_of(objects, journal, partition));
        continue;
      }
    }
    if (!batches.ok()) {
      return segment::is_of_the_object(batches.error())
                 ? Result(std::optional(batches.error().message))
                 : std::move(batches).error();
    }
    if (batches->empty()) {
      return std::optional(fmt::format("there is nothing at offset {}", first));
    }
    first = batches->back().base_offset + batches->back().records;
  }
  return std::optional<std::string>();
}

}  // namespace millrace::broker
