#include "cli/dump_format.h"

#include "broker/start_fact.h"
#include "broker/topic.h"
#include "bytes/buffer.h"
#include "record/record_batch.h"
#include "record/system_frame.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace millrace::cli {
namespace {

using nlohmann::ordered_json;

std::string hex_of(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

/// "topic" stands there where the name is known.
ordered_json line_of(const char* type, TopicPartition partition, const TopicNames& names) {
  ordered_json out{{"type", type}, {"topic_id", partition.topic.to_string()}};
  if (const auto name = names.find(partition.topic); name != names.end()) {
    out["topic"] = name->second;
  }
  out["partition"] = partition.partition.value;
  return out;
}

void add_topic(ordered_json& out, const broker::TopicRecord& topic, TopicNames& names) {
  names[topic.id] = topic.name;
  out["topic_id"] = topic.id.to_string();
  out["topic"] = topic.name;
  out["partitions"] = topic.partitions;
  out["deleted"] = topic.is_deleted;
}

ordered_json text_or_null(const std::optional<std::span<const std::byte>>& bytes) {
  return bytes ? ordered_json(std::string(bytes::as_text(*bytes))) : ordered_json();
}

}  // namespace

ordered_json describe_run(const journal::RunHeader& header) {
  return {{"type", "run"},
          {"file", header.file.value},
          {"position", header.position},
          {"run", header.run.value},
          {"frames", header.frames},
          {"length", header.length},
          {"durable_upto", header.durable_upto.value},
          {"checkpoint", (header.flags & journal::kCheckpointPart) != 0}};
}

ordered_json describe_batch(const journal::FrameHeader& frame, std::span<const std::byte> payload,
                            const TopicNames& names) {
  ordered_json out = line_of("batch", frame.partition, names);
  out["base_offset"] = frame.base_offset.value;
  out["records"] = frame.records;
  out["bytes"] = frame.payload_bytes;
  out["max_timestamp"] = frame.max_timestamp_ms;
  const auto header = record::parse_header(payload);
  if (!header.ok()) {
    out["error"] = header.error().message;
    return out;
  }
  if (header->is_filler()) {
    out["filler"] = true;  // offsets out of use, no records
  }
  out["codec"] = std::string(bytes::name_of(header->codec()));
  out["attributes"] = header->attributes;
  out["producer_id"] = header->producer_id;
  if (header->is_transactional()) {
    out["transactional"] = true;
  }
  if (header->is_control()) {
    out["control"] = true;  // commit and abort markers
  }
  if (header->has_producer()) {
    out["producer_epoch"] = header->producer_epoch;
    out["base_sequence"] = header->base_sequence;
  }
  return out;
}

ordered_json describe_system(std::span<const std::byte> payload, TopicNames& names) {
  ordered_json out{{"type", "system"}, {"bytes", payload.size()}};
  const auto frame = record::SystemFrame::decode(payload);
  if (!frame.ok()) {
    out["error"] = frame.error().message;
    return out;
  }
  out["kind"] = std::string(record::name_of(frame->kind));
  out["operation"] = frame->is_removal ? "remove" : "put";
  out["key"] = hex_of(frame->key);
  if (frame->kind == record::SystemKind::kStart && !frame->is_removal) {
    const auto fact = broker::start_fact_from(*frame);
    if (!fact.ok()) {
      out["error"] = fact.error().message;
      return out;
    }
    out["topic_id"] = fact->partition.topic.to_string();
    out["partition"] = fact->partition.partition.value;
    out["start"] = fact->start.value;
    return out;
  }
  if (frame->kind == record::SystemKind::kDatabase) {
    out["database"] = frame->key;
  }
  if (frame->kind != record::SystemKind::kTopic || frame->is_removal) {
    return out;
  }
  const auto topic = broker::TopicRecord::from_frame(*frame);
  if (!topic.ok()) {
    out["error"] = topic.error().message;
    return out;
  }
  add_topic(out, *topic, names);
  return out;
}

ordered_json describe_record(const record::Record& record) {
  ordered_json headers = ordered_json::array();
  for (const auto& header : record.headers) {
    headers.push_back({std::string(header.key), text_or_null(header.value)});
  }
  return {{"type", "record"},
          {"offset", record.offset.value},
          {"timestamp", record.timestamp.time_since_epoch().count()},
          {"key", text_or_null(record.key)},
          {"value", text_or_null(record.value)},
          {"headers", headers}};
}

ordered_json describe_object(const segment::Segment& object, const std::string& file,
                             const segment::Header* header) {
  ordered_json out{{"type", "object"},
                   {"file", file},
                   {"bytes", object.footer().object_bytes},
                   {"object_id", object.footer().object.to_string()}};
  if (header != nullptr) {
    out["directory_id"] = header->directory.to_string();
    out["created_ms"] = header->created_ms;
  }
  out["topics"] = object.tail().topics.size();
  out["partitions"] = object.tail().partitions.size();
  return out;
}

ordered_json describe_topic(const segment::TopicEntry& entry, TopicNames& names) {
  ordered_json out{{"type", "topic"}};
  const record::SystemFrame frame{
      record::SystemKind::kTopic,
      false,
      {reinterpret_cast<const char*>(entry.id.bytes.data()), entry.id.bytes.size()},
      entry.topic};
  const auto topic = broker::TopicRecord::from_frame(frame);
  if (topic.ok()) {
    add_topic(out, *topic, names);
    out["settings"] = topic->settings.to_map();
  } else {
    out["topic_id"] = entry.id.to_string();
    out["error"] = topic.error().message;
  }
  out["schema_bytes"] = entry.schema.size();
  return out;
}

ordered_json describe_part(const segment::PartitionRow& row, const TopicNames& names) {
  ordered_json out = line_of("part", row.partition, names);
  out["first_offset"] = row.first.value;
  out["next_offset"] = row.next.value;
  out["stable_offset"] = row.stable.value;
  out["batches"] = row.batches;
  out["position"] = row.data_position;
  out["bytes"] = row.data_bytes;
  out["max_timestamp"] = row.max_timestamp_ms;
  out["index_position"] = row.index_position;
  out["index_bytes"] = row.index_bytes;
  return out;
}

std::vector<ordered_json> describe_state(const segment::PartitionRow& row,
                                         const segment::PartitionState& state,
                                         const TopicNames& names) {
  std::vector<ordered_json> lines;
  for (const segment::ProducerSnapshot& producer : state.producers) {
    ordered_json& out = lines.emplace_back(line_of("producer", row.partition, names));
    out["producer_id"] = producer.id;
    out["producer_epoch"] = producer.epoch;
    ordered_json batches = ordered_json::array();
    for (const auto& batch : producer.batches) {
      batches.push_back({{"base_offset", batch.base.value},
                         {"first_sequence", batch.first_sequence},
                         {"last_sequence", batch.last_sequence},
                         {"max_timestamp", batch.max_timestamp_ms}});
    }
    out["batches"] = std::move(batches);
  }
  for (const segment::AbortedTransaction& aborted : state.aborted) {
    ordered_json& out = lines.emplace_back(line_of("aborted", row.partition, names));
    out["producer_id"] = aborted.producer_id;
    out["first_offset"] = aborted.first.value;
    out["last_offset"] = aborted.last.value;
  }
  for (const segment::OpenTransaction& open : state.open) {
    ordered_json& out = lines.emplace_back(line_of("open", row.partition, names));
    out["producer_id"] = open.producer_id;
    out["first_offset"] = open.first.value;
  }
  return lines;
}

journal::FrameHeader frame_of(const segment::PartitionRow& row, const segment::BatchEntry& entry) {
  journal::FrameHeader frame;
  frame.payload_bytes = entry.bytes;
  frame.type = journal::FrameType::kBatch;
  frame.partition = row.partition;
  frame.records = entry.offsets;
  frame.base_offset = entry.base;
  frame.max_timestamp_ms = entry.max_timestamp_ms;
  frame.payload_crc = entry.crc;
  return frame;
}

std::string to_json_line(const ordered_json& described) {
  return described.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string to_text_line(const ordered_json& described) {
  std::string line;
  for (const auto& [name, value] : described.items()) {
    if (name == "type") {
      line += value.get<std::string>();
      continue;
    }
    std::string text = value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
    const bool is_plain = value.is_string() && text.size() > 2 &&
                          std::all_of(text.begin() + 1, text.end() - 1, [](unsigned char c) {
                            return c > ' ' && c < 0x7F && c != '"' && c != '\\' && c != '=';
                          });
    line += fmt::format(" {}={}", name, is_plain ? text.substr(1, text.size() - 2) : text);
  }
  return line;
}

}  // namespace millrace::cli
