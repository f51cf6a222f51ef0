#include "broker/topic.h"

#include "bytes/cursor.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>

namespace millrace::broker {
namespace {

constexpr uint8_t kVersion = 1;

struct NumberSetting {
  const char* name;
  int64_t least;
  int64_t greatest;
};

constexpr NumberSetting kRetentionMs{"retention.ms", -1, std::numeric_limits<int64_t>::max()};
constexpr NumberSetting kRetentionBytes{"retention.bytes", -1, std::numeric_limits<int64_t>::max()};
constexpr NumberSetting kMaxMessageBytes{"max.message.bytes", 1, 128 << 20};

/// Settings whose value is one of some words, in the order of what they mean.
template <size_t kCount>
struct WordSetting {
  const char* name;
  std::array<const char*, kCount> words;
};

constexpr WordSetting<2> kTable{"millrace.table", {"off", "typed"}};
constexpr WordSetting<3> kDurability{"durability", {"fsync", "interval", "object"}};

/// Settings with one value that we support, and why no other.
struct FixedSetting {
  const char* name;
  const char* value;
};

constexpr FixedSetting kFixed[] = {
    {"cleanup.policy", "delete"},
    {"compression.type", "producer"},
    {"message.timestamp.type", "CreateTime"},
};

Result<int64_t> parse_number(const NumberSetting& setting, const std::string& text) {
  int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{} || end != text.data() + text.size() || number < setting.least ||
      number > setting.greatest) {
    return make_error(Code::kInvalid, "{}={}: must be a whole number from {} to {}", setting.name,
                      text, setting.least, setting.greatest);
  }
  return number;
}

/// Which of the words.
template <size_t kCount>
Result<size_t> parse_word(const WordSetting<kCount>& setting, const std::string& text) {
  std::string allowed;
  for (size_t i = 0; i < kCount; ++i) {
    if (text == setting.words[i]) {
      return i;
    }
    allowed += (i == 0 ? "" : i + 1 < kCount ? ", " : " or ") + std::string(setting.words[i]);
  }
  return make_error(Code::kInvalid, "{}={}: must be {}", setting.name, text, allowed);
}

std::string key_of(const TopicId& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

void write_text(bytes::Writer& out, std::string_view text) {
  out.le(static_cast<uint32_t>(text.size()));
  out.text(text);
}

std::string read_text(bytes::Reader& in) {
  const auto size = in.le<uint32_t>();
  return std::string(bytes::as_text(in.bytes(size)));
}

}  // namespace

TopicSettings TopicSettings::of_table() {
  TopicSettings settings;
  settings.retention_ms = 0;
  settings.max_message_bytes = 33 << 20;
  settings.is_table = true;
  return settings;
}

Status TopicSettings::apply(const std::map<std::string, std::string>& configs) {
  for (const auto& [name, value] : configs) {
    if (name == kRetentionMs.name) {
      MILLRACE_TRY(retention_ms, parse_number(kRetentionMs, value));
      continue;
    }
    if (name == kRetentionBytes.name) {
      MILLRACE_TRY(retention_bytes, parse_number(kRetentionBytes, value));
      continue;
    }
    if (name == kMaxMessageBytes.name) {
      MILLRACE_TRY(const int64_t bytes, parse_number(kMaxMessageBytes, value));
      max_message_bytes = static_cast<int32_t>(bytes);
      continue;
    }
    if (name == kTable.name) {
      MILLRACE_TRY(const size_t word, parse_word(kTable, value));
      is_table = word == 1;
      continue;
    }
    if (name == kDurability.name) {
      MILLRACE_TRY(const size_t word, parse_word(kDurability, value));
      durability = static_cast<Durability>(word);
      continue;
    }
    const auto* fixed = std::find_if(std::begin(kFixed), std::end(kFixed),
                                     [&](const auto& f) { return name == f.name; });
    if (fixed == std::end(kFixed)) {
      return make_error(Code::kInvalid, "{}: no such topic setting", name);
    }
    if (value != fixed->value) {
      return make_error(Code::kInvalid, "{}={}: only {} is supported", name, value, fixed->value);
    }
  }
  return {};
}

std::map<std::string, std::string> TopicSettings::to_map() const {
  std::map<std::string, std::string> map{{kRetentionMs.name, std::to_string(retention_ms)},
                                         {kRetentionBytes.name, std::to_string(retention_bytes)},
                                         {kMaxMessageBytes.name, std::to_string(max_message_bytes)},
                                         {kTable.name, kTable.words[is_table ? 1 : 0]}};
  map[kDurability.name] = kDurability.words[static_cast<size_t>(durability)];
  for (const FixedSetting& fixed : kFixed) {
    map[fixed.name] = fixed.value;
  }
  return map;
}

record::SystemFrame TopicRecord::to_frame() const {
  bytes::Writer out;
  out.u8(kVersion);
  out.u8(is_deleted ? 1 : 0);
  out.le(partitions);
  out.le(created_ms);
  write_text(out, name);
  const auto map = settings.to_map();
  out.le(static_cast<uint32_t>(map.size()));
  for (const auto& [key, value] : map) {
    write_text(out, key);
    write_text(out, value);
  }
  return {record::SystemKind::kTopic, false, key_of(id), std::string(bytes::as_text(out.view()))};
}

record::SystemFrame TopicRecord::to_removal() const {
  return {record::SystemKind::kTopic, true, key_of(id), ""};
}

Result<TopicRecord> TopicRecord::from_frame(const record::SystemFrame& frame) {
  bytes::Reader in(bytes::as_bytes(frame.value));
  TopicRecord topic;
  const uint8_t version = in.u8();
  if (in.ok() && version > kVersion) {
    return make_error(Code::kUnsupported, "topic frame of version {}, this program knows {}",
                      version, kVersion);
  }
  topic.is_deleted = in.u8() == 1;
  topic.partitions = in.le<int32_t>();
  topic.created_ms = in.le<int64_t>();
  topic.name = read_text(in);
  std::map<std::string, std::string> configs;
  const auto count = in.le<uint32_t>();
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    const std::string key = read_text(in);
    configs[key] = read_text(in);
  }
  if (!in.ok() || in.remaining() != 0 || version != kVersion ||
      frame.key.size() != topic.id.bytes.size() || topic.partitions < 1 ||
      topic.partitions > kMaxPartitions) {
    return make_error(Code::kCorrupt, "malformed topic frame in the journal");
  }
  std::memcpy(topic.id.bytes.data(), frame.key.data(), topic.id.bytes.size());
  if (auto applied = topic.settings.apply(configs); !applied.ok()) {
    return make_error(Code::kCorrupt, "topic {} in the journal: {}", topic.name,
                      applied.error().message);
  }
  return topic;
}

Status validate_topic_name(std::string_view name) {
  const bool is_legal = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  if (name.empty() || name.size() > 249 || name == "." || name == ".." || !is_legal) {
    return make_error(Code::kInvalid,
                      "\"{}\" is not a topic name: 1 to 249 letters, digits, '.', '_' or '-', not "
                      "\".\" or \"..\"",
                      name.substr(0, 260));
  }
  return {};
}

}  // namespace millrace::broker
