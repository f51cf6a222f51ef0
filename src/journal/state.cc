#include "journal/state.h"

#include "bytes/cursor.h"

#include <algorithm>
#include <cstring>

namespace millrace::journal {
namespace {

using record::SystemFrame;
using record::SystemKind;

void write_partition(bytes::Writer& out, TopicPartition partition) {
  out.bytes(std::as_bytes(std::span(partition.topic.bytes)));
  out.le(partition.partition.value);
}

TopicPartition read_partition(bytes::Reader& in) {
  TopicPartition partition;
  const auto id = in.bytes(16);
  if (id.size() == 16) {
    std::memcpy(partition.topic.bytes.data(), id.data(), 16);
  }
  partition.partition = PartitionId{in.le<int32_t>()};
  return partition;
}

/// nullopt for a key that is no topic id.
std::optional<TopicId> topic_of(const std::string& key) {
  TopicId topic;
  if (key.size() != topic.bytes.size()) {
    return std::nullopt;
  }
  std::memcpy(topic.bytes.data(), key.data(), key.size());
  return topic;
}

std::string text_of(bytes::Writer& out) {
  return std::string(bytes::as_text(out.view()));
}

std::string text_of(const TopicId& topic) {
  return {reinterpret_cast<const char*>(topic.bytes.data()), topic.bytes.size()};
}

SystemFrame reservation_frame(TopicPartition partition, Offset end) {
  bytes::Writer key;
  write_partition(key, partition);
  bytes::Writer value;
  value.le(end.value);
  return {SystemKind::kReservation, false, text_of(key), text_of(value)};
}

}  // namespace

Offset State::next_offset(TopicPartition partition) const {
  const auto found = partitions_.find(partition);
  return found == partitions_.end() ? Offset{0} : found->second.next;
}

Offset State::assign(TopicPartition partition, uint32_t records) {
  PartitionState& state = partitions_[partition];
  const Offset base = state.next;
  state.next = base + records;
  return base;
}

void State::begin(TopicPartition partition, Offset next) {
  partitions_[partition] = {next, next, Offset{0}};
}

void State::set_start(TopicPartition partition, Offset start) {
  if (const auto found = partitions_.find(partition); found != partitions_.end()) {
    found->second.start = std::max(found->second.start, start);
  }
}

Offset State::start(TopicPartition partition) const {
  const auto found = partitions_.find(partition);
  return found == partitions_.end() ? Offset{0} : found->second.start;
}

Offset State::reserved(TopicPartition partition) const {
  const auto found = partitions_.find(partition);
  return found == partitions_.end() ? Offset{0} : found->second.reserved;
}

SystemFrame State::reserve(TopicPartition partition, Offset end) {
  partitions_[partition].reserved = end;
  return reservation_frame(partition, end);
}

std::vector<State::Gap> State::reservations() const {
  std::vector<Gap> gaps;
  for (const auto& [partition, state] : partitions_) {
    if (state.reserved > state.next) {
      gaps.push_back({partition, state.next, state.reserved});
    }
  }
  return gaps;
}

void State::forget_topic(const TopicId& topic) {
  std::erase_if(partitions_, [&](const auto& entry) { return entry.first.topic == topic; });
  std::erase_if(system_, [&](const auto& entry) {
    return entry.first.first == SystemKind::kStart &&
           entry.first.second.starts_with(text_of(topic));
  });
  ended_.erase(topic);
}

void State::forget_batch_ids(const TopicId& topic) {
  const auto is_of_topic = [&](const auto& entry) { return entry.second.partition.topic == topic; };
  if (std::erase_if(batch_ids_, is_of_topic) > 0) {
    std::erase_if(batch_id_order_, [&](const auto& id) { return !batch_ids_.contains(id); });
  }
}

void State::apply(const SystemFrame& frame) {
  if (frame.is_removal) {
    system_.erase({frame.kind, frame.key});
    const auto topic = topic_of(frame.key);
    if (topic && frame.kind == SystemKind::kSchema) {
      forget_batch_ids(*topic);
      ended_.insert(*topic);
    } else if (topic && frame.kind == SystemKind::kTopic) {
      forget_batch_ids(*topic);
      forget_topic(*topic);
    }
  } else if (frame.kind != SystemKind::kStart || has_topic_of(frame)) {
    system_.insert_or_assign({frame.kind, frame.key}, frame.value);
  }
}

/// A start of records may come late, when its topic has ended: nothing would end it.
bool State::has_topic_of(const SystemFrame& start) const {
  return system_.contains({SystemKind::kTopic, start.key.substr(0, sizeof(TopicId::bytes))});
}

std::vector<SystemFrame> State::facts(SystemKind kind) const {
  std::vector<SystemFrame> frames;
  for (const auto& [key, value] : system_) {
    if (key.first == kind) {
      frames.push_back({kind, false, key.second, value});
    }
  }
  return frames;
}

const BatchAnswer* State::find_batch_id(const record::BatchId& id) const {
  const auto found = batch_ids_.find(id);
  return found == batch_ids_.end() ? nullptr : &found->second;
}

bool State::can_remember_batch_id(int64_t now_ms) {
  const int64_t life_ms = std::chrono::milliseconds(kBatchIdLife).count();
  while (!batch_id_order_.empty()) {
    const auto oldest = batch_ids_.find(batch_id_order_.front());
    if (oldest != batch_ids_.end() && oldest->second.committed_ms > now_ms - life_ms) {
      break;
    }
    if (oldest != batch_ids_.end()) {
      batch_ids_.erase(oldest);
    }
    batch_id_order_.pop_front();
  }
  return batch_ids_.size() < kMaxBatchIds;
}

void State::remember_batch_id(const record::BatchId& id, const BatchAnswer& answer) {
  if (batch_ids_.insert_or_assign(id, answer).second) {
    batch_id_order_.push_back(id);
  }
  newest_batch_id_ms_ =
      std::max(newest_batch_id_ms_.value_or(answer.committed_ms), answer.committed_ms);
}

SystemFrame State::batch_id_frame(const record::BatchId& id, const BatchAnswer& answer) {
  bytes::Writer value;
  write_partition(value, answer.partition);
  value.le(answer.base_offset.value);
  value.le(answer.records);
  value.le(answer.committed_ms);
  const std::string key(reinterpret_cast<const char*>(id.hash.data()), id.hash.size());
  return {SystemKind::kBatchId, false, key, text_of(value)};
}

std::vector<SystemFrame> State::checkpoint() const {
  std::vector<SystemFrame> frames;
  frames.reserve(system_.size() + partitions_.size() + batch_ids_.size());
  for (const auto& [key, value] : system_) {
    frames.push_back({key.first, false, key.second, value});
  }
  for (const auto& [partition, state] : partitions_) {
    bytes::Writer key;
    write_partition(key, partition);
    bytes::Writer value;
    value.le(state.next.value);
    value.le(state.start.value);
    frames.push_back({SystemKind::kPartition, false, text_of(key), text_of(value)});
    if (state.reserved > state.next) {
      frames.push_back(reservation_frame(partition, state.reserved));
    }
  }
  for (const auto& id : batch_id_order_) {
    if (const BatchAnswer* answer = find_batch_id(id)) {
      frames.push_back(batch_id_frame(id, *answer));
    }
  }
  return frames;
}

Status State::replay(const SystemFrame& frame) {
  if (frame.kind == SystemKind::kPartition) {
    bytes::Reader key(bytes::as_bytes(frame.key));
    bytes::Reader value(bytes::as_bytes(frame.value));
    const TopicPartition partition = read_partition(key);
    const Offset next{value.le<int64_t>()};
    const Offset start{value.le<int64_t>()};
    if (!key.ok() || !value.ok() || value.remaining() != 0 || start.value < 0 || start > next) {
      return make_error(Code::kCorrupt, "malformed partition frame in a checkpoint");
    }
    partitions_[partition] = {next, start, Offset{0}};
    return {};
  }
  if (frame.kind == SystemKind::kReservation) {
    bytes::Reader key(bytes::as_bytes(frame.key));
    bytes::Reader value(bytes::as_bytes(frame.value));
    const TopicPartition partition = read_partition(key);
    const Offset end{value.le<int64_t>()};
    if (!key.ok() || key.remaining() != 0 || !value.ok() || value.remaining() != 0 ||
        end < Offset{0}) {
      return make_error(Code::kCorrupt, "malformed reservation frame");
    }
    partitions_[partition].reserved = end;
    return {};
  }
  if (frame.kind == SystemKind::kBatchId) {
    bytes::Reader value(bytes::as_bytes(frame.value));
    BatchAnswer answer;
    answer.partition = read_partition(value);
    answer.base_offset = Offset{value.le<int64_t>()};
    answer.records = value.le<uint32_t>();
    answer.committed_ms = value.le<int64_t>();
    record::BatchId id;
    constexpr int64_t kYear9999Ms = 253'402'300'799'999;
    if (!value.ok() || value.remaining() != 0 || frame.key.size() != id.hash.size() ||
        answer.committed_ms < -kYear9999Ms || answer.committed_ms > kYear9999Ms) {
      return make_error(Code::kCorrupt, "malformed batch_id frame");
    }
    std::memcpy(id.hash.data(), frame.key.data(), id.hash.size());
    remember_batch_id(id, answer);
    return {};
  }
  apply(frame);
  return {};
}

Status State::replay_batch(TopicPartition partition, Offset base, uint32_t records) {
  PartitionState& state = partitions_[partition];
  if (base != state.next) {
    return make_error(Code::kCorrupt, "batch of topic {} partition {} at offset {}, expected {}",
                      partition.topic.to_string(), partition.partition, base, state.next);
  }
  state.next = base + records;
  return {};
}

}  // namespace millrace::journal
