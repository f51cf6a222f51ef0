// Line protocol of anything: no crash, no read out of bounds; every line is a row, an error or
// nothing; rows written as lines again read back alike. Byte 0 is the precision.
#include "columnar/decode_line_protocol.h"
#include "columnar/utf8.h"
#include "fuzz.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace millrace;            // NOLINT(google-build-using-namespace): one short file
using namespace millrace::columnar;  // NOLINT(google-build-using-namespace)
using fuzz::expect;

namespace {

constexpr ArrivalTime kArrival{std::chrono::microseconds(1'700'000'000'123'456)};

std::string escaped(std::string_view text, std::string_view set) {
  std::string result;
  for (const char c : text) {
    if (set.find(c) != std::string_view::npos) {
      result += '\\';
    }
    result += c;
  }
  return result;
}

std::string formatted(const Column& column, size_t row) {
  switch (column.type) {
    case ColumnType::kBool:
      return column.values_as<uint8_t>()[row] != 0 ? "true" : "false";
    case ColumnType::kI64:
      return fmt::format("{}i", column.values_as<int64_t>()[row]);
    case ColumnType::kU64:
      return fmt::format("{}u", column.values_as<uint64_t>()[row]);
    case ColumnType::kF64:
      expect(std::isfinite(column.values_as<double>()[row]));
      return fmt::format("{}", column.values_as<double>()[row]);
    default:
      return '"' + escaped(column.text(row), "\"\\") + '"';
  }
}

std::string line_of(const MeasurementBatch& write, size_t row) {
  std::string line = escaped(write.measurement, ", ");
  std::string fields;
  for (const Column& column : write.batch.columns) {
    if (column.name == kTimeName || column.is_null(row)) {
      continue;
    }
    const std::string key = escaped(column.name, ",= ") + "=";
    if (column.is_tag) {
      line += "," + key + escaped(column.text(row), ",= ");
    } else {
      fields += (fields.empty() ? "" : ",") + key + formatted(column, row);
    }
  }
  const Column& time = write.batch.time();
  const int64_t scale = time.type == ColumnType::kTimeUs ? 1000 : 1;
  return fmt::format("{} {} {}\n", line, fields, time.values_as<int64_t>()[row] * scale);
}

/// Influx has no way to write a backslash before a comma, nor a name that begins like a comment.
bool can_be_written(const MeasurementBatch& write) {
  const auto has_backslash = [](std::string_view text) {
    return text.find('\\') != std::string_view::npos;
  };
  if (has_backslash(write.measurement) || write.measurement.front() == '#') {
    return false;
  }
  return std::ranges::none_of(write.batch.columns, [&](const Column& column) {
    return has_backslash(column.name) ||
           (column.is_tag && has_backslash(bytes::as_text(column.values)));
  });
}

void check_same(const ColumnBatch& first, const ColumnBatch& second) {
  expect(first.rows == second.rows && first.columns.size() == second.columns.size());
  for (const Column& column : first.columns) {
    const Column* again = second.find(column.name);
    expect(again != nullptr && again->type == column.type && again->is_tag == column.is_tag);
    expect(std::ranges::equal(column.values.span(), again->values.span()));
    expect(std::ranges::equal(column.offsets.span(), again->offsets.span()));
    expect(std::ranges::equal(column.validity.span(), again->validity.span()));
  }
}

void check_batch(const MeasurementBatch& write) {
  const ColumnBatch& batch = write.batch;
  expect(batch.rows > 0 && batch.columns.size() > 1 && is_time(batch.time().type));
  expect(!find_invalid_utf8(write.measurement).has_value());
  for (const Column& column : batch.columns) {
    expect(!find_invalid_utf8(column.name).has_value());
    for (size_t row = 0; row < batch.rows; ++row) {
      expect(column.type != ColumnType::kString ||
             !find_invalid_utf8(column.text(row)).has_value());
    }
  }
  if (can_be_written(write)) {
    std::string lines;
    for (size_t row = 0; row < batch.rows; ++row) {
      lines += line_of(write, row);
    }
    const auto again = decode_line_protocol(lines, Precision::kNs, kArrival);
    expect(again.ok() && again->error_count == 0 && again->batches.size() == 1);
    check_same(batch, again->batches[0].batch);
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  const auto body = fuzz::own_copy<char>(data + 1, size - 1);
  const auto precision = static_cast<Precision>(data[0] % 6);
  const auto result = decode_line_protocol({body.data(), body.size()}, precision, kArrival);
  expect(result.ok());
  const auto lines = static_cast<size_t>(std::ranges::count(body, '\n')) + 1;
  expect(result->rows + result->error_count <= lines);
  size_t rows = 0;
  for (const MeasurementBatch& write : result->batches) {
    check_batch(write);
    rows += write.batch.rows;
  }
  expect(rows == result->rows);
  return 0;
}
