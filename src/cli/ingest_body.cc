#include "cli/ingest_body.h"

#include "tables/table_name.h"

#include <bit>
#include <cstring>
#include <random>
#include <string_view>

namespace millrace::cli {
namespace {

constexpr size_t kHosts = 1000;
constexpr size_t kRowsPerMs = 1000;
constexpr size_t kMsDigits = 13;  // of milliseconds since 1970, from 2001 to 2286

struct Row {
  size_t host = 0;
  int usage_64ths = 0;
  double idle = 0;
  double load = 0;

  double usage() const { return usage_64ths / 64.0; }
};

/// As sensors tell them: percent in 64ths, percent with two digits, a load with three.
std::vector<Row> make_rows(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t limit) { return static_cast<int>(random() % limit); };
  std::vector<Row> rows(count);
  for (Row& row : rows) {
    row.host = static_cast<size_t>(below(kHosts));
    row.usage_64ths = below(6401);
    row.idle = below(10'001) / 100.0;
    row.load = below(64'000) / 1000.0;
  }
  return rows;
}

std::string host_name(size_t host) {
  return fmt::format("host_{:03}", host);
}

/// Just the few forms of MessagePack that a write needs (github.com/msgpack/msgpack, spec.md).
class Packer {
 public:
  void map(size_t pairs) { out.push_back(static_cast<char>(0x80U | pairs)); }

  void text(std::string_view value) {  // at most 31 bytes
    out.push_back(static_cast<char>(0xA0U | value.size()));
    out += value;
  }

  void array(size_t size) {
    out.push_back('\xDD');
    big_endian(size, 4);
  }

  /// Room for an int64; where it is.
  size_t int64_hole() {
    out.push_back('\xD3');
    big_endian(0, 8);
    return out.size() - 8;
  }

  void float64(double value) {
    out.push_back('\xCB');
    big_endian(std::bit_cast<uint64_t>(value), 8);
  }

  std::string out;

 private:
  void big_endian(uint64_t value, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) {
      out.push_back(static_cast<char>(value >> (8 * i)));
    }
  }
};

std::string pack(const std::string& name, const std::vector<Row>& rows,
                 std::vector<uint32_t>& times) {
  Packer packer;
  packer.map(2);
  packer.text("m");
  packer.text(name);
  packer.text("columns");
  packer.map(5);
  const auto column = [&](std::string_view title, auto&& value) {
    packer.text(title);
    packer.array(rows.size());
    for (const Row& row : rows) {
      value(row);
    }
  };
  column("time", [&](const Row&) { times.push_back(static_cast<uint32_t>(packer.int64_hole())); });
  column("host", [&](const Row& row) { packer.text(host_name(row.host)); });
  column("usage", [&](const Row& row) { packer.float64(row.usage()); });
  column("idle", [&](const Row& row) { packer.float64(row.idle); });
  column("load", [&](const Row& row) { packer.float64(row.load); });
  return std::move(packer.out);
}

std::string write_lines(const std::string& name, const std::vector<Row>& rows,
                        std::vector<uint32_t>& times) {
  std::string out;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    out += fmt::format("{},host={} usage={},idle={},load={} ", name, host_name(row.host),
                       row.usage(), row.idle, row.load);
    times.push_back(static_cast<uint32_t>(out.size()));
    out += fmt::format("{:0{}}{:06}\n", 0, kMsDigits, i % kRowsPerMs);
  }
  return out;
}

std::string head_of(const IngestShape& shape, size_t body_bytes) {
  if (shape.format == IngestFormat::kLine) {
    return fmt::format("POST /write?db={} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
                       tables::encode_name(shape.database), shape.host, body_bytes);
  }
  return fmt::format(
      "POST /api/v1/write/msgpack HTTP/1.1\r\nHost: {}\r\nx-millrace-database: {}\r\n"
      "Content-Type: application/msgpack\r\nContent-Length: {}\r\n\r\n",
      shape.host, shape.database, body_bytes);
}

}  // namespace

std::string measurement_name(size_t measurement) {
  return fmt::format("m{}", measurement);
}

IngestBody make_ingest_body(const IngestShape& shape, size_t measurement, uint64_t seed) {
  const std::vector<Row> rows = make_rows(shape.rows, seed);
  IngestBody body;
  body.measurement = measurement;
  for (const Row& row : rows) {
    body.usage_64ths += row.usage_64ths;
  }
  const std::string name = measurement_name(measurement);
  const std::string content = shape.format == IngestFormat::kLine
                                  ? write_lines(name, rows, body.times)
                                  : pack(name, rows, body.times);
  body.message = head_of(shape, content.size());
  for (uint32_t& at : body.times) {
    at += static_cast<uint32_t>(body.message.size());
  }
  body.message += content;
  body.body_bytes = content.size();
  return body;
}

int64_t ingest_span_ms(size_t rows) {
  return static_cast<int64_t>((rows + kRowsPerMs - 1) / kRowsPerMs);
}

void stamp(IngestFormat format, const IngestBody& body, int64_t first_ms, std::string& message) {
  if (format == IngestFormat::kMsgpack) {
    int64_t us = first_ms * 1000;
    for (const uint32_t at : body.times) {
      const uint64_t swapped = __builtin_bswap64(static_cast<uint64_t>(us++));
      std::memcpy(message.data() + at, &swapped, sizeof(swapped));
    }
    return;
  }
  std::string digits;
  for (size_t i = 0; i < body.times.size(); ++i) {
    if (i % kRowsPerMs == 0) {
      digits = fmt::format("{:0{}}", first_ms + static_cast<int64_t>(i / kRowsPerMs), kMsDigits);
    }
    std::memcpy(message.data() + body.times[i], digits.data(), kMsDigits);
  }
}

}  // namespace millrace::cli
