// MessagePack writes of anything: no crash, no read out of bounds; what was taken is whole, has a
// place in a schema, and reads back alike from its payload and when written again as columns.
#include "bytes/cursor.h"
#include "columnar/decode_msgpack.h"
#include "columnar/schema.h"
#include "columnar/utf8.h"
#include "fuzz.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

using namespace millrace;            // NOLINT(google-build-using-namespace): one short file
using namespace millrace::columnar;  // NOLINT(google-build-using-namespace)
using fuzz::expect;

namespace {

constexpr ArrivalTime kArrival{std::chrono::microseconds(1'700'000'000'123'456)};

void check_column(const Column& column, size_t rows) {
  size_t nulls = 0;
  for (size_t row = 0; row < rows; ++row) {
    const bool is_null = column.is_null(row);
    nulls += is_null ? 1 : 0;
    if (column.type == ColumnType::kString) {
      expect(!find_invalid_utf8(column.text(row)).has_value());
      expect(!is_null || column.text(row).empty());
    }
  }
  expect(nulls == column.null_count);
  expect(column.values.size() == rows * width_of(column.type) || has_offsets(column.type));
}

void put_bytes(bytes::Writer& out, uint8_t lead, std::string_view text) {
  out.u8(lead);
  out.be<uint32_t>(static_cast<uint32_t>(text.size()));
  out.text(text);
}

void put_text(bytes::Writer& out, std::string_view text) {
  put_bytes(out, 0xdb, text);
}

/// A timestamp of 12 bytes.
void put_moment(bytes::Writer& out, ColumnType type, int64_t value) {
  const int64_t units = type == ColumnType::kTimeNs ? 1'000'000'000 : 1'000'000;
  int64_t seconds = value / units;
  int64_t rest = value % units;
  if (rest < 0) {
    --seconds;
    rest += units;
  }
  out.u8(0xc7);
  out.u8(12);
  out.u8(0xff);
  out.be(static_cast<uint32_t>(rest * (1'000'000'000 / units)));
  out.be(seconds);
}

void put_value(bytes::Writer& out, const Column& column, size_t row) {
  if (column.is_null(row)) {
    out.u8(0xc0);
  } else if (column.type == ColumnType::kBool) {
    out.u8(column.values_as<uint8_t>()[row] != 0 ? 0xc3 : 0xc2);
  } else if (has_offsets(column.type)) {
    put_bytes(out, column.type == ColumnType::kString ? 0xdb : 0xc6, column.text(row));
  } else if (is_time(column.type)) {
    put_moment(out, column.type, column.values_as<int64_t>()[row]);
  } else {
    out.u8(column.type == ColumnType::kF64 ? 0xcb : column.type == ColumnType::kU64 ? 0xcf : 0xd3);
    out.be(column.values_as<uint64_t>()[row]);
  }
}

/// As columns, without the time, whose unit is not seen in its value.
bytes::Writer written(const MeasurementBatch& write) {
  const ColumnBatch& batch = write.batch;
  bytes::Writer out;
  out.u8(0x83);
  put_text(out, "columns");
  out.u8(0xdf);
  out.be<uint32_t>(static_cast<uint32_t>(batch.columns.size() - 1));
  for (size_t i = 0; i < batch.columns.size(); ++i) {
    if (i != batch.time_column) {
      put_text(out, batch.columns[i].name);
      out.u8(0xdd);
      out.be<uint32_t>(static_cast<uint32_t>(batch.rows));
      for (size_t row = 0; row < batch.rows; ++row) {
        put_value(out, batch.columns[i], row);
      }
    }
  }
  put_text(out, "tag_keys");
  out.u8(0xdd);
  out.be<uint32_t>(static_cast<uint32_t>(std::ranges::count_if(batch.columns, &Column::is_tag)));
  for (const Column& column : batch.columns) {
    if (column.is_tag) {
      put_text(out, column.name);
    }
  }
  put_text(out, "m");
  put_text(out, write.measurement);
  return out;
}

void check_same(const Column& a, const Column& b) {
  expect(a.name == b.name && a.type == b.type && a.is_tag == b.is_tag &&
         a.null_count == b.null_count);
  expect(std::ranges::equal(a.values.span(), b.values.span()));
  expect(std::ranges::equal(a.offsets.span(), b.offsets.span()));
  expect(std::ranges::equal(a.validity.span(), b.validity.span()));
}

MeasurementBatch one_of(std::span<const std::byte> body) {
  auto decoded = decode_msgpack(body, {kArrival});
  expect(decoded.ok() && decoded->batches.size() == 1 && decoded->payloads[0].empty());
  return std::move(decoded->batches[0]);
}

void check(const MeasurementBatch& write, std::string_view payload) {
  const ColumnBatch& batch = write.batch;
  for (const Column& column : batch.columns) {
    check_column(column, batch.rows);
  }
  expect(is_time(batch.time().type) && batch.time().null_count == 0);
  const auto change = admit(Schema(), batch);
  expect(change.ok() && change->schema.has_value());
  expect(!admit(*change->schema, batch)->schema.has_value());
  expect(convert(batch, *change->schema).ok());
  if (!payload.empty()) {
    const MeasurementBatch replayed = one_of(bytes::as_bytes(payload));
    expect(replayed.measurement == write.measurement);
    expect(replayed.batch.columns.size() == batch.columns.size());
    for (size_t i = 0; i < batch.columns.size(); ++i) {
      check_same(batch.columns[i], replayed.batch.columns[i]);
    }
  }
  if (batch.columns.size() == 1) {
    return;  // without a column but the time there is nothing to write again
  }
  const MeasurementBatch again = one_of(written(write).view());
  expect(again.measurement == write.measurement);
  for (const Column& column : batch.columns) {
    const Column* same = again.batch.find(column.name);
    expect(same != nullptr);
    if (column.name != kTimeName) {
      check_same(column, *same);
    }
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto body = fuzz::own_copy(data, size);
  static_cast<void>(decode_msgpack(body, {kArrival, Precision::kHour}));
  static_cast<void>(decode_msgpack(body, {kArrival, Precision::kNs}));
  const auto first = decode_msgpack(body, {kArrival});
  if (!first.ok()) {
    expect(first.error().code == Code::kInvalid);
    return 0;
  }
  expect(first->batches.size() == first->payloads.size());
  for (size_t i = 0; i < first->batches.size(); ++i) {
    check(first->batches[i], first->payloads[i]);
  }
  return 0;
}
