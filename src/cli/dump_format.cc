#include "cli/dump_format.h"

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
  ordered_json out{{"type", "batch"}, {"topic_id", frame.partition.topic.to_string()}};
  if (const auto name = names.find(frame.partition.topic); name != names.end()) {
    out["topic"] = name->second;
  }
  out["partition"] = frame.partition.partition.value;
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
  if (frame->kind != record::SystemKind::kTopic || frame->is_removal) {
    return out;
  }
  const auto topic = broker::TopicRecord::from_frame(*frame);
  if (!topic.ok()) {
    out["error"] = topic.error().message;
    return out;
  }
  names[topic->id] = topic->name;
  out["topic_id"] = topic->id.to_string();
  out["topic"] = topic->name;
  out["partitions"] = topic->partitions;
  out["deleted"] = topic->is_deleted;
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
