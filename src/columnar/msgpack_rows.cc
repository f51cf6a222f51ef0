#include "columnar/msgpack_rows.h"

#include "columnar/msgpack_parts.h"
#include "columnar/msgpack_value.h"
#include "columnar/utf8.h"

#include <algorithm>
#include <utility>

namespace millrace::columnar {
namespace {

constexpr std::string_view kHost = "host";

Result<Value> read_value(MsgpackReader& reader, std::string_view what, std::string_view name) {
  const size_t byte = reader.position();
  auto value = value_of(reader.next());
  if (!value.ok()) {
    return invalid_at(byte, "{} \"{}\": {}", what, name, value.error().message);
  }
  if (value->type == ColumnType::kString && find_invalid_utf8(value->text)) {
    return invalid_at(byte, "{} \"{}\" is not UTF-8", what, name);
  }
  return value;
}

/// Of a value that is no string.
std::string text_of(const Value& value) {
  switch (value.type) {
    case ColumnType::kBool:
      return value.bits != 0 ? "true" : "false";
    case ColumnType::kI64:
      return fmt::format("{}", static_cast<int64_t>(value.bits));
    case ColumnType::kU64:
      return fmt::format("{}", value.bits);
    default:
      return fmt::format("{}", std::bit_cast<double>(value.bits));
  }
}

}  // namespace

Result<const Row*> MsgpackRowReader::read(MsgpackReader& reader) {
  const size_t byte = reader.position();
  kept_.clear();
  tags_.clear();
  fields_.clear();
  host_ = {kHost, Value(), /*is_tag=*/true};
  row_.time_ns.reset();
  MILLRACE_TRY(const uint64_t keys, head_of(reader, MsgpackKind::kMap, "a row"));
  Seen seen;
  for (uint64_t i = 0; i < keys; ++i) {
    MILLRACE_TRY_STATUS(read_key(reader, seen));
  }
  if (!seen.measurement || fields_.empty()) {
    return invalid_at(byte, "the row has no {}", seen.measurement ? "fields" : "\"m\"");
  }
  MILLRACE_TRY_STATUS(join(byte));
  row_.measurement = measurement_;
  return &row_;
}

Status MsgpackRowReader::read_key(MsgpackReader& reader, Seen& seen) {
  const size_t byte = reader.position();
  const MsgpackToken key = reader.next();
  if (key.kind != MsgpackKind::kString) {
    return invalid_at(byte, "{} where a key should be", name_of(key.kind));
  }
  const auto is_new = [&](bool& is_there) -> Status {
    return std::exchange(is_there, true) ? Status(invalid_at(byte, "\"{}\" stands twice", key.text))
                                         : Status();
  };
  if (key.text == "m") {
    MILLRACE_TRY_STATUS(is_new(seen.measurement));
    MILLRACE_TRY(measurement_, read_measurement(reader));
    return {};
  }
  if (key.text == "t") {
    MILLRACE_TRY_STATUS(is_new(seen.time));
    return read_time(reader);
  }
  if (key.text == "h") {
    MILLRACE_TRY_STATUS(is_new(seen.host));
    return read_tag(reader, kHost);
  }
  if (key.text == "tags") {
    MILLRACE_TRY_STATUS(is_new(seen.tags));
    return read_tags(reader);
  }
  if (key.text == "fields" || key.text == "f") {
    if (std::exchange(seen.fields, true)) {
      return invalid_at(byte, "\"{}\": the row has its fields already", key.text);
    }
    return key.text == "f" ? read_values(reader) : read_fields(reader);
  }
  return unknown_key(byte, key.text);
}

Status MsgpackRowReader::read_time(MsgpackReader& reader) {
  const size_t byte = reader.position();
  const MsgpackToken token = reader.next();
  if (token.kind == MsgpackKind::kNil) {
    return {};
  }
  const Result<Value> value = time_of(token, precision_);
  if (!value.ok()) {
    return invalid_at(byte, "the time \"t\": {}", value.error().message);
  }
  auto time = static_cast<int64_t>(value->bits);
  if ((value->type == ColumnType::kTimeUs && __builtin_mul_overflow(time, int64_t{1000}, &time)) ||
      !is_in_ns_range(time)) {
    return invalid_at(byte, "the time \"t\" is outside 1677-09-22 to 2262-04-11");
  }
  row_.time_ns = time;
  return {};
}

/// `name` points into the body, or is kHost, which "h" alone reads.
Status MsgpackRowReader::read_tag(MsgpackReader& reader, std::string_view name) {
  const size_t byte = reader.position();
  MILLRACE_TRY(Value value, read_value(reader, "the tag", name));
  if (value.type == ColumnType::kBinary || is_time(value.type)) {
    return invalid_at(byte, "the tag \"{}\" is {}, a tag is text", name,
                      value.type == ColumnType::kBinary ? "binary data" : "a timestamp");
  }
  if (value.type != ColumnType::kString && value.type != ColumnType::kNull) {
    value = Value::of_string(keep(text_of(value)));
  }
  if (name.data() == kHost.data()) {
    host_.value = value;
  } else if (value.type != ColumnType::kNull) {
    tags_.push_back({name, value, /*is_tag=*/true});
  }
  return {};
}

Status MsgpackRowReader::read_tags(MsgpackReader& reader) {
  MILLRACE_TRY(const uint64_t count, head_of(reader, MsgpackKind::kMap, "\"tags\""));
  for (uint64_t i = 0; i < count; ++i) {
    MILLRACE_TRY(const std::string_view name, read_name(reader, "a tag's name"));
    MILLRACE_TRY_STATUS(read_tag(reader, name));
  }
  return {};
}

Status MsgpackRowReader::read_fields(MsgpackReader& reader) {
  MILLRACE_TRY(const uint64_t count, head_of(reader, MsgpackKind::kMap, "\"fields\""));
  for (uint64_t i = 0; i < count; ++i) {
    MILLRACE_TRY(const std::string_view name, read_name(reader, "a field's name"));
    MILLRACE_TRY(const Value value, read_value(reader, "the field", name));
    fields_.push_back({name, value, /*is_tag=*/false});
  }
  return {};
}

Status MsgpackRowReader::read_values(MsgpackReader& reader) {
  MILLRACE_TRY(const uint64_t count, head_of(reader, MsgpackKind::kArray, "\"f\""));
  for (uint64_t i = 0; i < count; ++i) {
    const std::string_view name = keep(fmt::format("field_{}", i));
    MILLRACE_TRY(const Value value, read_value(reader, "the field", name));
    fields_.push_back({name, value, /*is_tag=*/false});
  }
  return {};
}

/// Tags and fields into the row's pairs, under names that are all different.
Status MsgpackRowReader::join(size_t byte) {
  row_.pairs.clear();
  if (host_.value.type != ColumnType::kNull) {
    std::erase_if(tags_, [](const RowPair& tag) { return tag.key == kHost; });
    row_.pairs.push_back(host_);
  }
  row_.pairs.insert(row_.pairs.end(), tags_.begin(), tags_.end());
  names_.clear();
  for (const RowPair& tag : row_.pairs) {
    names_.push_back(tag.key);
  }
  std::ranges::sort(names_);
  const size_t tags = names_.size();
  for (RowPair& field : fields_) {
    if (std::binary_search(names_.begin(), names_.begin() + static_cast<ptrdiff_t>(tags),
                           field.key)) {
      field.key = keep(std::string(field.key) + "_value");
    }
    names_.push_back(field.key);
    row_.pairs.push_back(field);
  }
  std::ranges::sort(names_);
  if (const auto twice = std::ranges::adjacent_find(names_); twice != names_.end()) {
    return invalid_at(byte, "\"{}\" stands twice among the row's tags and fields", *twice);
  }
  if (std::ranges::binary_search(names_, kTimeName)) {
    return invalid_at(byte, "a tag or field \"{}\": the row's time is \"t\"", kTimeName);
  }
  return {};
}

std::string_view MsgpackRowReader::keep(std::string text) {
  return kept_.emplace_back(std::move(text));
}

}  // namespace millrace::columnar
