#include "server/damaged_doubles.h"

#include "segment/object_check.h"
#include "segment/segment.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace millrace::server {
namespace {

using segment::PartitionRow;
using segment::Segment;

constexpr size_t kReadAtOnce = size_t{4} << 20;

/// A part of an object.
struct Part {
  size_t object = 0;  // index
  PartitionRow row;
  std::optional<std::string> damage;
};

/// Of one partition, in order of offset.
using Parts = std::vector<Part>;

std::map<TopicPartition, Parts> parts_of(const broker::FoundObjects& found) {
  std::map<TopicPartition, Parts> partitions;
  for (size_t i = 0; i < found.objects.size(); ++i) {
    for (const PartitionRow& row : found.objects[i].tail.partitions) {
      partitions[row.partition].push_back({i, row, std::nullopt});
    }
  }
  for (auto& [partition, parts] : partitions) {
    std::ranges::sort(parts, {}, [](const Part& part) { return part.row.first; });
  }
  return partitions;
}

/// Those that share an offset with another one.
std::vector<Part*> doubles_in(Parts& parts) {
  std::vector<Part*> doubles;
  Part* farthest = nullptr;  // of those before
  for (Part& part : parts) {
    if (farthest != nullptr && part.row.first < farthest->row.next) {
      if (doubles.empty() || std::ranges::find(doubles, farthest) == doubles.end()) {
        doubles.push_back(farthest);
      }
      doubles.push_back(&part);
    }
    farthest = farthest == nullptr || part.row.next > farthest->row.next ? &part : farthest;
  }
  return doubles;
}

Status read_whole(objects::ObjectStore& store, const std::string& name, const PartitionRow& row) {
  MILLRACE_TRY(auto reader, store.read(name));
  MILLRACE_TRY(const auto object, Segment::open(std::move(reader), name));
  MILLRACE_TRY(const auto index, object->index(row));
  for (Offset at = row.first; at < row.next;) {
    MILLRACE_TRY(const auto batches, object->read(row, index, at, kReadAtOnce));
    at = batches.back().base_offset + batches.back().records;
  }
  return {};
}

/// By parts that are not damaged.
bool is_covered(const Part& part, const Parts& parts) {
  Offset at = part.row.first;
  for (const Part& other : parts) {
    at = !other.damage && other.row.first <= at ? std::max(at, other.row.next) : at;
  }
  return at >= part.row.next;
}

}  // namespace

Status leave_damaged_doubles(objects::ObjectStore& store, broker::FoundObjects& found) {
  for (auto& [partition, parts] : parts_of(found)) {
    for (Part* part : doubles_in(parts)) {
      const Status read = read_whole(store, found.objects[part->object].name, part->row);
      if (!read.ok() && !segment::is_of_the_object(read.error())) {
        return read;
      }
      part->damage = read.ok() ? std::nullopt : std::optional(read.error().message);
    }
    for (const Part& part : parts) {
      if (part.damage && is_covered(part, parts)) {
        broker::FoundObject& object = found.objects[part.object];
        found.unused.push_back({object.name, *part.damage});
        std::erase_if(object.tail.partitions,
                      [&](const PartitionRow& row) { return row.partition == partition; });
      }
    }
  }
  return {};
}

}  // namespace millrace::server
