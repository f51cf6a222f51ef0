#include "columnar/decode_msgpack.h"

#include "columnar/msgpack_columns.h"
#include "columnar/msgpack_parts.h"
#include "columnar/msgpack_rows.h"
#include "columnar/open_batches.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace millrace::columnar {
namespace {

/// A number that is written as a tag takes at most thrice its bytes.
constexpr size_t kMostRowBytes = kMostStringBytes / 4;

enum class Form : uint8_t { kColumns, kRow, kBatch, kItems };

/// By the first key that tells; `reader` stands at a value of any kind. What has no form is left to
/// whoever reads it as columns.
Form form_of(MsgpackReader reader) {
  const MsgpackToken head = reader.next();
  if (head.kind == MsgpackKind::kArray) {
    return Form::kItems;
  }
  for (uint64_t i = 0; head.kind == MsgpackKind::kMap && i < head.bits; ++i) {
    const std::string_view key = reader.next().text;
    if (key == "batch") {
      return Form::kBatch;
    }
    if (key == "t" || key == "h" || key == "tags" || key == "fields" || key == "f") {
      return Form::kRow;
    }
    if ((key != "m" && key != "tag_keys") || !reader.skip()) {
      break;
    }
  }
  return Form::kColumns;
}

/// The row of a batch of columns.
void take_row(const ColumnBatch& batch, size_t row, Row& into) {
  into.pairs.clear();
  for (size_t i = 0; i < batch.columns.size(); ++i) {
    const Column& column = batch.columns[i];
    if (i == batch.time_column) {
      continue;
    }
    Value value;
    if (!column.is_null(row)) {
      value.type = column.type;
      if (has_offsets(column.type)) {
        value.text = column.text(row);
      } else if (column.type == ColumnType::kBool) {
        value.bits = column.values_as<uint8_t>()[row];
      } else {
        value.bits = column.values_as<uint64_t>()[row];
      }
    }
    into.pairs.push_back({column.name, value, column.is_tag});
  }
}

std::optional<int64_t> time_ns_of(const Column& time, size_t row) {
  int64_t ns = time.values_as<int64_t>()[row];
  const bool is_us = time.type == ColumnType::kTimeUs;
  if ((is_us && __builtin_mul_overflow(ns, int64_t{1000}, &ns)) || !is_in_ns_range(ns)) {
    return std::nullopt;
  }
  return ns;
}

/// A batch: rows and columns of several measurements.
class BatchDecoder {
 public:
  BatchDecoder(std::span<const std::byte> body, const MsgpackRules& rules, int64_t arrival_ns)
      : body_(body),
        reader_(body),
        rules_(rules),
        rows_reader_(rules.precision),
        rows_(body.size(), arrival_ns, kNoTables) {}

  Result<MsgpackBatches> decode(Form form) {
    if (form == Form::kRow) {
      MILLRACE_TRY_STATUS(read_row());
    } else {
      if (form == Form::kBatch) {
        MILLRACE_TRY(const uint64_t keys, head_of(reader_, MsgpackKind::kMap, "a request"));
        MILLRACE_TRY(const std::string_view key, read_name(reader_, "a key"));
        if (keys != 1 || key != "batch") {
          return invalid_at(0, "a request with \"batch\" has no other keys");
        }
      }
      MILLRACE_TRY_STATUS(read_items());
    }
    if (reader_.remaining() > 0) {
      return invalid_at(reader_.position(), "{} more bytes after the request", reader_.remaining());
    }
    MsgpackBatches result;
    result.batches = std::move(rows_).finish();
    result.payloads.resize(result.batches.size());
    for (size_t i = 0; result.batches.size() > 1 && i < items_.size(); ++i) {
      result.payloads[i] = joined(items_[i]);
    }
    return result;
  }

 private:
  static inline const SchemaLookup kNoTables;

  Status read_items() {
    MILLRACE_TRY(const uint64_t count, head_of(reader_, MsgpackKind::kArray, "a batch"));
    for (uint64_t i = 0; i < count; ++i) {
      if (auto read = read_item(); !read.ok()) {
        return std::move(read).error().within(fmt::format("item {}", i));
      }
    }
    return {};
  }

  Status read_item() {
    const size_t begun = reader_.position();
    switch (form_of(reader_)) {
      case Form::kBatch:
      case Form::kItems:
        return invalid_at(begun, "a batch within a batch");
      case Form::kRow:
        return read_row();
      case Form::kColumns:
        break;
    }
    MILLRACE_TRY(const MeasurementBatch write, read_columns(reader_, rules_));
    const std::span<const std::byte> item = body_.subspan(begun, reader_.position() - begun);
    Row row{.measurement = write.measurement};
    for (size_t i = 0; i < write.batch.rows; ++i) {
      take_row(write.batch, i, row);
      row.time_ns = time_ns_of(write.batch.time(), i);
      if (row.pairs.empty()) {
        return invalid_at(begun, "columns of a time alone");
      }
      if (!row.time_ns) {
        return invalid_at(begun, "column \"time\", row {}: outside 1677-09-22 to 2262-04-11", i);
      }
      if (auto problem = rows_.take(row)) {
        return invalid_at(begun, "row {}: {}", i, *problem);
      }
    }
    if (write.batch.rows > 0) {
      keep(item);
    }
    return {};
  }

  Status read_row() {
    const size_t begun = reader_.position();
    MILLRACE_TRY(const Row* const row, rows_reader_.read(reader_));
    if (auto problem = rows_.take(*row)) {
      return invalid_at(begun, "{}", *problem);
    }
    keep(body_.subspan(begun, reader_.position() - begun));
    return {};
  }

  /// For the payload of the measurement that rows were taken of.
  void keep(std::span<const std::byte> item) {
    items_.resize(rows_.measurements());
    items_[rows_.last()].push_back(item);
  }

  static std::string joined(const std::vector<std::span<const std::byte>>& items) {
    size_t size = 5;
    for (const auto item : items) {
      size += item.size();
    }
    std::string text;
    text.reserve(size);
    text += '\xdd';
    for (int shift = 24; shift >= 0; shift -= 8) {
      text += static_cast<char>(items.size() >> shift);
    }
    for (const auto item : items) {
      text += bytes::as_text(item);
    }
    return text;
  }

  const std::span<const std::byte> body_;
  MsgpackReader reader_;
  const MsgpackRules& rules_;
  MsgpackRowReader rows_reader_;
  OpenBatches rows_;
  std::vector<std::vector<std::span<const std::byte>>> items_;  // by measurement
};

Result<MsgpackBatches> decode_columns(std::span<const std::byte> body, const MsgpackRules& rules) {
  MsgpackReader reader(body);
  MsgpackBatches result;
  MILLRACE_TRY(auto write, read_columns(reader, rules));
  if (reader.remaining() > 0) {
    return invalid_at(reader.position(), "{} more bytes after the request's one map",
                      reader.remaining());
  }
  result.batches.push_back(std::move(write));
  result.payloads.emplace_back();
  return result;
}

}  // namespace

Result<MsgpackBatches> decode_msgpack(std::span<const std::byte> body, const MsgpackRules& rules) {
  if (body.size() > kMostStringBytes) {
    return make_error(Code::kInvalid, "a request of {} bytes is longer than {}", body.size(),
                      kMostStringBytes);
  }
  if (!body.empty() && body[0] == std::byte{'{'}) {
    return invalid_at(0, "this looks like JSON; a request is MessagePack");
  }
  const Form form = form_of(MsgpackReader(body));
  if (rules.version == 1 || form == Form::kColumns) {
    return decode_columns(body, rules);
  }
  if (body.size() > kMostRowBytes) {
    return make_error(Code::kInvalid, "rows of {} bytes are more than {}", body.size(),
                      kMostRowBytes);
  }
  MILLRACE_TRY(const int64_t arrival_ns, nanoseconds_of(rules.arrival));
  return BatchDecoder(body, rules, arrival_ns).decode(form);
}

}  // namespace millrace::columnar
