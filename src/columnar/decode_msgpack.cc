#include "columnar/decode_msgpack.h"

#include "columnar/msgpack_column.h"
#include "columnar/msgpack_reader.h"
#include "columnar/utf8.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace millrace::columnar {
namespace {

constexpr size_t kMostShownBytes = 64;

template <typename... Args>
Error invalid_at(size_t byte, fmt::format_string<Args...> format, Args&&... args) {
  return make_error(Code::kInvalid, "byte {}: {}", byte,
                    fmt::format(format, std::forward<Args>(args)...));
}

/// One request, from its first byte to its last.
class Decoder {
 public:
  explicit Decoder(std::span<const std::byte> body)
      : reader_(body), is_json_(!body.empty() && body[0] == std::byte{'{'}) {}

  Result<MeasurementBatch> decode(ArrivalTime arrival) {
    if (is_json_) {
      return invalid_at(0, "this looks like JSON; a request is MessagePack");
    }
    MILLRACE_TRY(const uint64_t keys, head_of(MsgpackKind::kMap, "a request"));
    for (uint64_t i = 0; i < keys; ++i) {
      MILLRACE_TRY_STATUS(read_key());
    }
    if (reader_.remaining() > 0) {
      return invalid_at(reader_.position(), "{} more bytes after the request's one map",
                        reader_.remaining());
    }
    if (!has_measurement_ || !has_columns_) {
      return invalid_at(reader_.position(), "the request has no \"{}\"",
                        has_measurement_ ? "columns" : "m");
    }
    if (!has_time_) {
      result_.batch.time_column = result_.batch.columns.size();
      result_.batch.columns.push_back(arrival_column(arrival, result_.batch.rows));
    }
    return std::move(result_);
  }

 private:
  /// How many elements or pairs follow.
  Result<uint64_t> head_of(MsgpackKind kind, std::string_view what) {
    const size_t byte = reader_.position();
    const MsgpackToken token = reader_.next();
    if (token.kind != kind) {
      return invalid_at(byte, "{} is {}, not {}", what, name_of(token.kind), name_of(kind));
    }
    return token.bits;
  }

  /// 1 to kMostNameBytes of UTF-8, within the body.
  Result<std::string_view> name(std::string_view what) {
    const size_t byte = reader_.position();
    const MsgpackToken token = reader_.next();
    if (token.kind != MsgpackKind::kString) {
      return invalid_at(byte, "{} is {}, not a string", what, name_of(token.kind));
    }
    if (token.text.empty() || token.text.size() > kMostNameBytes) {
      return invalid_at(byte, "{} is of {} bytes, not within 1 to {}", what, token.text.size(),
                        kMostNameBytes);
    }
    if (find_invalid_utf8(token.text)) {
      return invalid_at(byte, "{} is not UTF-8", what);
    }
    if (has_control_character(token.text)) {
      return invalid_at(byte, "{} has a control character", what);
    }
    return token.text;
  }

  Status read_key() {
    const size_t byte = reader_.position();
    const MsgpackToken key = reader_.next();
    if (key.kind != MsgpackKind::kString) {
      return invalid_at(byte, "{} where a key should be", name_of(key.kind));
    }
    if (key.text == "m") {
      if (std::exchange(has_measurement_, true)) {
        return invalid_at(byte, "\"m\" stands twice");
      }
      MILLRACE_TRY(const std::string_view measurement, name("the measurement \"m\""));
      result_.measurement = measurement;
      return {};
    }
    if (key.text == "columns") {
      if (std::exchange(has_columns_, true)) {
        return invalid_at(byte, "\"columns\" stands twice");
      }
      return read_columns();
    }
    if (key.text != "tag_keys") {  // of Arc's clients: every column of strings may be a tag here
      return invalid_at(
          byte,
          "the key \"{}\": a write has \"m\" and \"columns\"; its database stands in the "
          "header x-millrace-database",
          key.text.substr(0, kMostShownBytes));
    }
    if (!reader_.skip()) {
      return invalid_at(reader_.position(), "{} within a key that is skipped",
                        name_of(reader_.next().kind));
    }
    return {};
  }

  Status read_columns() {
    const size_t byte = reader_.position();
    MILLRACE_TRY(const uint64_t count, head_of(MsgpackKind::kMap, "\"columns\""));
    if (count == 0 || count > kMostColumns) {
      return invalid_at(byte, "{} columns are not within 1 to {}", count, kMostColumns);
    }
    std::vector<size_t> places;  // of each name, in the body
    // Sizes by what was asked for only once it is there: a pair takes 2 bytes at least.
    places.reserve(std::min<uint64_t>(count, reader_.remaining() / 2));
    result_.batch.columns.reserve(places.capacity() + 1);
    for (uint64_t i = 0; i < count; ++i) {
      places.push_back(reader_.position());
      MILLRACE_TRY_STATUS(read_column_of_batch(i == 0));
    }
    return check_names(places);
  }

  Status read_column_of_batch(bool is_first) {
    ColumnBatch& batch = result_.batch;
    MILLRACE_TRY(const std::string_view column, name("a column's name"));
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
      MILLRACE_TRY(Column time, read_time_column(reader_, batch.rows));
      batch.columns.push_back(std::move(time));
    } else {
      MILLRACE_TRY(Column values, read_column(reader_, column, batch.rows));
      batch.columns.push_back(std::move(values));
    }
    return {};
  }

  Status check_names(const std::vector<size_t>& places) const {
    std::vector<std::pair<std::string_view, size_t>> names;
    names.reserve(places.size());
    for (size_t i = 0; i < places.size(); ++i) {
      names.emplace_back(result_.batch.columns[i].name, places[i]);
    }
    std::ranges::sort(names);
    for (size_t i = 1; i < names.size(); ++i) {
      if (names[i].first == names[i - 1].first) {
        return invalid_at(names[i].second, "column \"{}\" stands twice", names[i].first);
      }
    }
    return {};
  }

  MsgpackReader reader_;
  const bool is_json_;  // to the eye
  MeasurementBatch result_;
  bool has_measurement_ = false;
  bool has_columns_ = false;
  bool has_time_ = false;
};

}  // namespace

Result<MeasurementBatch> decode_msgpack(std::span<const std::byte> body, ArrivalTime arrival) {
  if (body.size() > kMostStringBytes) {
    return make_error(Code::kInvalid, "a request of {} bytes is longer than {}", body.size(),
                      kMostStringBytes);
  }
  return Decoder(body).decode(arrival);
}

}  // namespace millrace::columnar
