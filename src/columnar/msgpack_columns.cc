#include "columnar/msgpack_columns.h"

#include "columnar/msgpack_column.h"
#include "columnar/msgpack_parts.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace millrace::columnar {
namespace {

/// One map, from its first byte to its last.
class ColumnsReader {
 public:
  ColumnsReader(MsgpackReader& reader, const MsgpackRules& rules)
      : reader_(reader), rules_(rules) {}

  Result<MeasurementBatch> read() {
    MILLRACE_TRY(const uint64_t keys, head_of(reader_, MsgpackKind::kMap, "a request"));
    for (uint64_t i = 0; i < keys; ++i) {
      MILLRACE_TRY_STATUS(read_key());
    }
    if (!has_measurement_ || !has_columns_) {
      return invalid_at(reader_.position(), "the request has no \"{}\"",
                        has_measurement_ ? "columns" : "m");
    }
    for (const Tag& tag : tags_) {
      MILLRACE_TRY_STATUS(mark(tag));
    }
    if (!has_time_) {
      result_.batch.time_column = result_.batch.columns.size();
      result_.batch.columns.push_back(arrival_column(rules_.arrival, result_.batch.rows));
    }
    return std::move(result_);
  }

 private:
  struct Name {
    std::string_view text;
    size_t byte = 0;
    size_t column = 0;
  };

  struct Tag {
    std::string_view name;
    size_t byte = 0;
  };

  Status read_key() {
    const size_t byte = reader_.position();
    const MsgpackToken key = reader_.next();
    if (key.kind != MsgpackKind::kString) {
      return invalid_at(byte, "{} where a key should be", name_of(key.kind));
    }
    bool* const is_there = key.text == "m"          ? &has_measurement_
                           : key.text == "columns"  ? &has_columns_
                           : key.text == "tag_keys" ? &has_tags_
                                                    : nullptr;
    if (is_there == nullptr) {
      return unknown_key(byte, key.text);
    }
    const bool is_passed_over = is_there == &has_tags_ && rules_.version == 1;
    if (std::exchange(*is_there, true) && !is_passed_over) {
      return invalid_at(byte, "\"{}\" stands twice", key.text);
    }
    if (is_passed_over) {
      return reader_.skip() ? Status()
                            : invalid_at(reader_.position(), "{} within a key that is skipped",
                                         name_of(reader_.next().kind));
    }
    if (is_there == &has_measurement_) {
      MILLRACE_TRY(result_.measurement, read_measurement(reader_));
      return {};
    }
    return is_there == &has_columns_ ? read_all() : read_tags();
  }

  Status read_tags() {
    MILLRACE_TRY(const uint64_t count, head_of(reader_, MsgpackKind::kArray, "\"tag_keys\""));
    if (count > kMostColumns) {
      return invalid_at(reader_.position(), "{} tag keys are more than {}", count, kMostColumns);
    }
    for (uint64_t i = 0; i < count; ++i) {
      const size_t byte = reader_.position();
      MILLRACE_TRY(const std::string_view name, read_name(reader_, "a tag key"));
      tags_.push_back({name, byte});
    }
    return {};
  }

  Status mark(const Tag& tag) {
    const auto found = std::ranges::lower_bound(names_, tag.name, {}, &Name::text);
    if (found == names_.end() || found->text != tag.name) {
      return {};
    }
    Column& column = result_.batch.columns[found->column];
    if (column.type != ColumnType::kString && column.type != ColumnType::kNull) {
      return invalid_at(tag.byte, "the tag key \"{}\": its column is of type {}, a tag is a string",
                        tag.name, name_of(column.type));
    }
    column.is_tag = true;
    return {};
  }

  Status read_all() {
    const size_t byte = reader_.position();
    MILLRACE_TRY(const uint64_t count, head_of(reader_, MsgpackKind::kMap, "\"columns\""));
    if (count == 0 || count > kMostColumns) {
      return invalid_at(byte, "{} columns are not within 1 to {}", count, kMostColumns);
    }
    // Sizes by what was asked for only once it is there: a pair takes 2 bytes at least.
    names_.reserve(std::min<uint64_t>(count, reader_.remaining() / 2));
    result_.batch.columns.reserve(names_.capacity() + 1);  // `names_` points into them
    for (uint64_t i = 0; i < count; ++i) {
      const size_t at = reader_.position();
      MILLRACE_TRY_STATUS(read_one(i == 0));
      names_.push_back({result_.batch.columns[i].name, at, i});
    }
    std::ranges::sort(names_, {}, [](const Name& name) { return std::pair(name.text, name.byte); });
    const auto twice = std::ranges::adjacent_find(names_, {}, &Name::text);
    return twice == names_.end()
               ? Status()
               : invalid_at(std::next(twice)->byte, "column \"{}\" stands twice", twice->text);
  }

  Status read_one(bool is_first) {
    ColumnBatch& batch = result_.batch;
    MILLRACE_TRY(const std::string_view column, read_name(reader_, "a column's name"));
    const size_t byte = reader_.position();
    const MsgpackToken head = reader_.next();
    if (head.kind != MsgpackKind::kArray) {
      return invalid_at(byte, "column \"{}\" is {}, not an array", column, name_of(head.kind));
    }
    if (is_first) {
      batch.rows = head.bits;
    } else if (head.bits != batch.rows) {
      return invalid_at(byte, "column \"{}\" has {} rows, \"{}\" has {}", column, head.bits,
                        batch.columns.front().name, batch.rows);
    }
    if (head.bits > reader_.remaining()) {
      return invalid_at(byte, "column \"{}\" says {} rows, but only {} bytes follow", column,
                        head.bits, reader_.remaining());
    }
    if (column == kTimeName) {
      batch.time_column = batch.columns.size();
      has_time_ = true;
      MILLRACE_TRY(Column time, read_time_column(reader_, batch.rows, rules_.precision));
      batch.columns.push_back(std::move(time));
    } else {
      MILLRACE_TRY(Column values, read_column(reader_, column, batch.rows));
      batch.columns.push_back(std::move(values));
    }
    return {};
  }

  MsgpackReader& reader_;
  const MsgpackRules& rules_;
  MeasurementBatch result_;
  std::vector<Name> names_;  // sorted, once all are read
  std::vector<Tag> tags_;
  bool has_measurement_ = false;
  bool has_columns_ = false;
  bool has_tags_ = false;
  bool has_time_ = false;
};

}  // namespace

Result<MeasurementBatch> read_columns(MsgpackReader& reader, const MsgpackRules& rules) {
  return ColumnsReader(reader, rules).read();
}

}  // namespace millrace::columnar
