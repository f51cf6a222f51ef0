#include "broker/broker.h"

#include "base/log.h"
#include "runtime/coroutine.h"

#include <algorithm>
#include <iterator>

namespace millrace::broker {

std::shared_ptr<Partition> Topic::partition(PartitionId id) const {
  const bool exists = id.value >= 0 && static_cast<size_t>(id.value) < partitions.size();
  return exists ? partitions[static_cast<size_t>(id.value)] : nullptr;
}

Broker::Broker(journal::JournalLog& log, size_t tail_cache_bytes, const Clock& clock)
    : log_(log), cache_(tail_cache_bytes), clock_(clock) {}

Result<std::unique_ptr<Broker>> Broker::open(journal::JournalLog& log, size_t tail_cache_bytes,
                                             const Clock& clock) {
  std::unique_ptr<Broker> broker(new Broker(log, tail_cache_bytes, clock));
  for (const auto& frame : log.recovered(record::SystemKind::kTopic)) {
    MILLRACE_TRY(TopicRecord topic, TopicRecord::from_frame(frame));
    MutexLock lock(broker->mutex_);
    if (topic.is_deleted) {
      broker->tombstones_[topic.id] = std::move(topic);
      continue;
    }
    const TopicPtr made = broker->make_topic(std::move(topic));
    broker->by_name_[made->name()] = made;
    broker->by_id_[made->record.id] = made;
  }
  MILLRACE_TRY_STATUS(broker->take_starts());
  return broker;
}

TopicPtr Broker::make_topic(TopicRecord record) {
  auto topic = std::make_shared<Topic>();
  for (int32_t i = 0; i < record.partitions; ++i) {
    topic->partitions.push_back(std::make_shared<Partition>(
        TopicPartition{record.id, PartitionId{i}}, record.settings.durability, sources_));
  }
  topic->record = std::move(record);
  return topic;
}

TopicPtr Broker::find(std::string_view name) const {
  MutexLock lock(mutex_);
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

TopicPtr Broker::find(const TopicId& id) const {
  MutexLock lock(mutex_);
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

std::optional<Error> Broker::object_failure() const {
  return sources_.uploader == nullptr ? std::nullopt : sources_.uploader->failure();
}

void Broker::upload_objects(ObjectUploader& uploader,
                            const std::vector<catalog::PartitionRow>& catalog) {
  sources_.uploader = &uploader;
  std::unordered_map<TopicPartition, Offset> ends;  // that were readable once
  for (const catalog::PartitionRow& row : catalog) {
    ends[row.partition] = row.next;
  }
  for (const TopicPtr& topic : topics()) {
    if (topic->record.settings.durability != Durability::kObject) {
      continue;
    }
    for (const auto& partition : topic->partitions) {
      const record::PartitionRange kept = log_.range(partition->id());
      const auto history = sources_.history->range(partition->id());
      const Offset end = std::max({kept.start, history ? history->end : Offset{0},
                                   ends[partition->id()], partition->deleted_below()});
      partition->advance(end);
      if (end < kept.end) {
        uploader.add({partition, kept.end, 0});
      }
    }
  }
}

bool Broker::was_deleted(const TopicId& id) const {
  MutexLock lock(mutex_);
  return tombstones_.contains(id);
}

std::vector<TopicRecord> Broker::tombstones() const {
  MutexLock lock(mutex_);
  std::vector<TopicRecord> records;
  records.reserve(tombstones_.size());
  for (const auto& [id, record] : tombstones_) {
    records.push_back(record);
  }
  return records;
}

std::vector<TopicPtr> Broker::topics() const {
  MutexLock lock(mutex_);
  std::vector<TopicPtr> topics;
  topics.reserve(by_name_.size());
  for (const auto& [name, topic] : by_name_) {
    topics.push_back(topic);
  }
  return topics;
}

runtime::Task<Result<TopicPtr>> Broker::create(NewTopic topic, bool validate_only) {
  if (!topic.is_table) {  // a table's name is encoded
    MILLRACE_CO_TRY_STATUS(validate_topic_name(topic.name));
  }
  if (topic.partitions < 1 || topic.partitions > kMaxPartitions) {
    co_return make_error(Code::kInvalid, "topic {}: {} partitions, must be 1 to {}", topic.name,
                         topic.partitions, kMaxPartitions);
  }
  TopicRecord record;
  if (topic.is_table) {
    record.settings = TopicSettings::of_table();
  }
  MILLRACE_CO_TRY_STATUS(record.settings.apply(topic.configs));
  if (record.settings.is_table != topic.is_table) {
    co_return make_error(Code::kInvalid,
                         "topic {}: tables are made by HTTP writes, not by millrace.table",
                         topic.name);
  }
  record.id = TopicId(Uuid::random());
  record.name = topic.name;
  record.partitions = topic.partitions;
  record.created_ms = clock_.wall_ms().time_since_epoch().count();
  {
    MutexLock lock(mutex_);
    if (by_name_.contains(topic.name) || changing_.contains(topic.name)) {
      co_return make_error(Code::kConflict, "topic {} exists already", topic.name);
    }
    if (!validate_only) {
      changing_[topic.name] = true;
    }
  }
  const TopicPtr made = make_topic(record);
  if (validate_only) {
    co_return made;
  }
  record::CommitRequest request;
  request.system.push_back(record.to_frame());
  const auto outcome = co_await log_.commit(std::move(request));
  MutexLock lock(mutex_);
  changing_.erase(topic.name);
  if (!outcome.ok()) {
    co_return outcome.error();
  }
  by_name_[topic.name] = made;
  by_id_[record.id] = made;
  co_return made;
}

runtime::Task<Status> Broker::remove(std::string name) {
  TopicRecord record;
  TopicPtr topic;
  {
    MutexLock lock(mutex_);
    const auto found = by_name_.find(name);
    if (found == by_name_.end() || changing_.contains(name)) {
      co_return make_error(Code::kNotFound, "there is no topic {}", name);
    }
    topic = found->second;
    record = topic->record;
    changing_[name] = true;
  }
  record.is_deleted = true;
  record::CommitRequest request;
  request.makes_room = true;
  request.system.push_back(record.to_frame());
  if (observer_ != nullptr) {
    std::ranges::move(observer_->frames_of_removal(record.id), std::back_inserter(request.system));
  }
  const auto outcome = co_await log_.commit(std::move(request));
  {
    MutexLock lock(mutex_);
    changing_.erase(name);
    if (!outcome.ok()) {
      co_return outcome.error();
    }
    by_name_.erase(name);
    by_id_.erase(record.id);
    for (int32_t i = 0; i < record.partitions; ++i) {
      cache_.forget({record.id, PartitionId{i}});
    }
    tombstones_[record.id] = record;
  }
  for (const auto& partition : topic->partitions) {
    partition->end();
  }
  if (observer_ != nullptr) {
    co_await observer_->removed(record.id);
  }
  log_.ask_for_round();
  co_return Status{};
}

}  // namespace millrace::broker
