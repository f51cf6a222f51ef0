#include "broker/orphans.h"

#include "segment/object_check.h"

#include <algorithm>

namespace millrace::broker {
namespace {

using segment::PartitionRow;
using segment::Segment;

/// Offsets [first, next) of the row.
Result<bool> are_expired(const Segment& object, PartitionRow row, Offset first, Offset next,
                         const OrphanRules& rules) {
  if (rules.is_expired(row)) {
    return true;
  }
  MILLRACE_TRY(const auto index, object.index(row));
  row.max_timestamp_ms = -1;
  for (const segment::BatchEntry& batch : index.batches) {
    if (batch.base < next && batch.next() > first) {
      row.max_timestamp_ms = std::max(row.max_timestamp_ms, batch.max_timestamp_ms);
    }
  }
  return rules.is_expired(row);
}

/// Of the row's offsets those that somebody else is said to have.
Result<std::optional<std::string>> why_unreadable(const PartitionRow& row,
                                                  const OrphanRules& rules) {
  const Offset first =
      std::max({row.first, rules.start(row.partition), rules.deleted_below(row.partition)});
  const Offset next = std::min(row.next, rules.end(row.partition));
  if (first >= next) {
    return std::optional<std::string>();
  }
  MILLRACE_TRY(const auto why, rules.why_unreadable(row.partition, first, next));
  return why ? std::optional(fmt::format(
                   "it holds offsets {} to {} of partition {} of topic {}, which cannot be read "
                   "elsewhere: {}",
                   first, next.value - 1, row.partition.partition, row.partition.topic.to_string(),
                   *why))
             : std::optional<std::string>();
}

Result<std::optional<std::string>> why_kept(const Segment& object, const PartitionRow& row,
                                            const OrphanRules& rules) {
  const std::string partition = fmt::format("partition {} of topic {}", row.partition.partition,
                                            row.partition.topic.to_string());
  switch (rules.topic(row.partition.topic)) {
    case TopicState::kDeleted:
      return std::optional<std::string>();
    case TopicState::kUnknown:
      return std::optional(fmt::format("it holds {}, which is not known", partition));
    case TopicState::kThere:
      break;
  }
  const Offset end = rules.end(row.partition);
  if (row.next > end) {
    return std::optional(fmt::format("it holds offsets {} to {} of {}, which otherwise ends at {}",
                                     row.first, row.next.value - 1, partition, end));
  }
  const Offset start = rules.start(row.partition);
  const Offset first = std::max(row.first, rules.deleted_below(row.partition));
  const Offset next = std::min(row.next, start);
  if (first < next) {
    MILLRACE_TRY(const bool is_expired, are_expired(object, row, first, next, rules));
    if (!is_expired) {
      return std::optional(fmt::format(
          "it holds offsets {} to {} of {}, which otherwise begins at {}, and they are not expired",
          first, next.value - 1, partition, start));
    }
  }
  return why_unreadable(row, rules);
}

/// Of all rows, the first reason; what is wrong with the object itself is one, too.
template <typename Why>
Result<std::optional<std::string>> first_reason(const Segment& object, Why&& why_of) {
  for (const PartitionRow& row : object.tail().partitions) {
    auto why = why_of(row);
    if (!why.ok() && segment::is_of_the_object(why.error())) {
      return std::optional(why.error().message);
    }
    if (!why.ok() || *why) {
      return why;
    }
  }
  return std::optional<std::string>();
}

}  // namespace

std::string made_as(const Segment& object) {
  const auto& partitions = object.tail().partitions;
  const PartitionRow& first = partitions.front();
  const bool is_mixed = object.name().starts_with(segment::kMixedFolder) || partitions.size() > 1;
  return is_mixed ? segment::mixed_name(object.footer().object)
                  : segment::segment_name(object.footer().object, first.partition, first.first);
}

Result<std::optional<std::string>> why_kept(objects::ObjectStore& store, const std::string& name,
                                            const OrphanRules& rules) {
  auto reader = store.read(name);
  if (!reader.ok()) {
    return reader.error().code == Code::kIo ? Result(std::optional(reader.error().message))
                                            : std::move(reader).error();
  }
  const auto object = Segment::open(*std::move(reader), name);
  if (!object.ok()) {
    return segment::is_of_the_object(object.error()) ? Result(std::optional(object.error().message))
                                                     : object.error();
  }
  const auto header = (*object)->header();
  if (!header.ok()) {
    return segment::is_of_the_object(header.error()) ? Result(std::optional(header.error().message))
                                                     : header.error();
  }
  if (header->directory != rules.directory) {
    return std::optional(
        fmt::format("it was made by another data directory, {}", header->directory.to_string()));
  }
  if (const std::string first = made_as(**object); first != name) {
    return std::optional("it was made as " + first);
  }
  return first_reason(**object,
                      [&](const PartitionRow& row) { return why_kept(**object, row, rules); });
}

Result<std::optional<std::string>> why_still_needed(objects::ObjectStore& store,
                                                    const std::string& name,
                                                    const OrphanRules& rules) {
  auto reader = store.read(name);
  if (!reader.ok()) {
    return segment::is_of_the_object(reader.error()) ? Result(std::optional<std::string>())
                                                     : std::move(reader).error();
  }
  const auto object = Segment::open(*std::move(reader), name);
  if (!object.ok()) {
    return segment::is_of_the_object(object.error()) ? Result(std::optional<std::string>())
                                                     : object.error();
  }
  return first_reason(**object, [&](const PartitionRow& row) {
    return rules.topic(row.partition.topic) == TopicState::kThere
               ? why_unreadable(row, rules)
               : Result(std::optional<std::string>());
  });
}

}  // namespace millrace::broker
