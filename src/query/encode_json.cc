#include "query/encode_json.h"

#include "query/time_text.h"

#include <limits>

namespace millrace::query {
namespace {

/// Result of a write function of time_text.h, in quotes.
template <typename Write, typename... Args>
void put_time(JsonOut& out, Write write, Args... args) {
  char* at = out.room(kMostTimeText);
  *at++ = '"';
  at = write(at, args...);
  *at++ = '"';
  out.wrote(at);
}

/// DuckDB has ±infinity where the largest integers are.
template <typename T>
bool put_infinity(JsonOut& out, T value) {
  constexpr T kInfinity = std::numeric_limits<T>::max();
  if (value != kInfinity && value != -kInfinity) {
    return false;
  }
  out.raw(value > 0 ? R"("infinity")" : R"("-infinity")");
  return true;
}

void put_timestamp(JsonOut& out, int64_t ticks, unsigned digits) {
  if (!put_infinity(out, ticks)) {
    put_time(out, write_timestamp, ticks, digits);
  }
}

void put_date(JsonOut& out, int32_t days) {
  if (!put_infinity(out, days)) {
    put_time(out, write_date, int64_t{days});
  }
}

void put_time_tz(JsonOut& out, duckdb_time_tz value) {
  const duckdb_time_tz_struct parts = duckdb_from_time_tz(value);
  const auto& time = parts.time;
  const int64_t ticks =
      ((int64_t{time.hour} * 60 + time.min) * 60 + time.sec) * 1'000'000 + time.micros;
  const int32_t offset = parts.offset < 0 ? -parts.offset : parts.offset;
  char text[kMostTimeText];
  char* const end = write_time(text, ticks, 6);
  std::string zoned(text, static_cast<size_t>(end - text));
  zoned +=
      fmt::format("{}{:02}:{:02}", parts.offset < 0 ? '-' : '+', offset / 3600, offset / 60 % 60);
  if (offset % 60 != 0) {
    zoned += fmt::format(":{:02}", offset % 60);
  }
  out.text(zoned);
}

__int128 wide(duckdb_hugeint value) {
  return static_cast<__int128>(
      static_cast<unsigned __int128>(static_cast<uint64_t>(value.upper)) << 64 | value.lower);
}

void put_uuid(JsonOut& out, duckdb_hugeint value) {
  const uint64_t upper = static_cast<uint64_t>(value.upper) ^ uint64_t { 1 }
                                                                  << 63;  // kept sortable
  out.raw(fmt::format("\"{:08x}-{:04x}-{:04x}-{:04x}-{:012x}\"", upper >> 32, upper >> 16 & 0xffff,
                      upper & 0xffff, value.lower >> 48, value.lower & 0xffff'ffff'ffff));
}

/// The first byte says how many of the second's bits are padding.
void put_bits(JsonOut& out, std::string_view bytes) {
  out.put('"');
  if (!bytes.empty()) {
    const auto padding = static_cast<size_t>(static_cast<unsigned char>(bytes[0]));
    for (size_t bit = padding; bit < (bytes.size() - 1) * 8; ++bit) {
      const auto byte = static_cast<unsigned char>(bytes[1 + bit / 8]);
      out.put((byte >> (7 - bit % 8) & 1) == 0 ? '0' : '1');
    }
  }
  out.put('"');
}

__int128 decimal_at(const ResultVector& from, uint64_t row) {
  switch (from.type->storage) {
    case DUCKDB_TYPE_SMALLINT:
      return from.at<int16_t>(row);
    case DUCKDB_TYPE_INTEGER:
      return from.at<int32_t>(row);
    case DUCKDB_TYPE_BIGINT:
      return from.at<int64_t>(row);
    default:
      return wide(from.at<duckdb_hugeint>(row));
  }
}

const std::string& label_at(const ResultVector& from, uint64_t row) {
  switch (from.type->storage) {
    case DUCKDB_TYPE_UTINYINT:
      return from.type->labels[from.at<uint8_t>(row)];
    case DUCKDB_TYPE_USMALLINT:
      return from.type->labels[from.at<uint16_t>(row)];
    default:
      return from.type->labels[from.at<uint32_t>(row)];
  }
}

void put_value(JsonOut& out, const ResultVector& from, uint64_t row);

void put_list(JsonOut& out, const ResultVector& from, uint64_t first, uint64_t count) {
  out.put('[');
  for (uint64_t i = 0; i < count && !out.is_over(); ++i) {
    if (i > 0) {
      out.put(',');
    }
    put_value(out, from.children[0], first + i);
  }
  out.put(']');
}

void put_struct(JsonOut& out, const ResultVector& from, uint64_t row) {
  out.put('{');
  for (size_t i = 0; i < from.children.size(); ++i) {
    if (i > 0) {
      out.put(',');
    }
    out.text(from.type->labels[i]);
    out.put(':');
    put_value(out, from.children[i], row);
  }
  out.put('}');
}

/// An object where keys are strings; else a list of {"key":..,"value":..}.
void put_map(JsonOut& out, const ResultVector& from, duckdb_list_entry entry) {
  const bool is_object = from.type->children[0].id == DUCKDB_TYPE_VARCHAR;
  out.put(is_object ? '{' : '[');
  for (uint64_t i = 0; i < entry.length; ++i) {
    out.raw(i == 0 ? "" : ",");
    out.raw(is_object ? "" : R"({"key":)");
    put_value(out, from.children[0], entry.offset + i);
    out.raw(is_object ? ":" : R"(,"value":)");
    put_value(out, from.children[1], entry.offset + i);
    out.raw(is_object ? "" : "}");
  }
  out.put(is_object ? '}' : ']');
}

void put_union(JsonOut& out, const ResultVector& from, uint64_t row) {
  if (from.children[0].is_null(row)) {
    out.raw("null");
    return;
  }
  put_value(out, from.children[1 + from.children[0].at<uint8_t>(row)], row);
}

void put_nested(JsonOut& out, const ResultVector& from, uint64_t row) {
  switch (from.type->id) {
    case DUCKDB_TYPE_LIST: {
      const auto entry = from.at<duckdb_list_entry>(row);
      return put_list(out, from, entry.offset, entry.length);
    }
    case DUCKDB_TYPE_ARRAY:
      return put_list(out, from, row * from.type->array_size, from.type->array_size);
    case DUCKDB_TYPE_MAP:
      return put_map(out, from, from.at<duckdb_list_entry>(row));
    case DUCKDB_TYPE_STRUCT:
      return put_struct(out, from, row);
    default:
      return put_union(out, from, row);
  }
}

void put_moment(JsonOut& out, const ResultVector& from, uint64_t row) {
  switch (from.type->id) {
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return put_timestamp(out, from.at<int64_t>(row), 6);
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return put_timestamp(out, from.at<int64_t>(row), 9);
    case DUCKDB_TYPE_TIMESTAMP_MS:
      return put_timestamp(out, from.at<int64_t>(row), 3);
    case DUCKDB_TYPE_TIMESTAMP_S:
      return put_timestamp(out, from.at<int64_t>(row), 0);
    case DUCKDB_TYPE_DATE:
      return put_date(out, from.at<int32_t>(row));
    case DUCKDB_TYPE_TIME:
      return put_time(out, write_time, from.at<int64_t>(row), 6U);
    case DUCKDB_TYPE_TIME_NS:
      return put_time(out, write_time, from.at<int64_t>(row), 9U);
    case DUCKDB_TYPE_TIME_TZ:
      return put_time_tz(out, from.at<duckdb_time_tz>(row));
    case DUCKDB_TYPE_INTERVAL: {
      const auto value = from.at<duckdb_interval>(row);
      return out.text(interval_text(value.months, value.days, value.micros));
    }
    default:
      return put_nested(out, from, row);
  }
}

void put_rare(JsonOut& out, const ResultVector& from, uint64_t row) {
  switch (from.type->id) {
    case DUCKDB_TYPE_TINYINT:
      return out.integer(int64_t{from.at<int8_t>(row)});
    case DUCKDB_TYPE_SMALLINT:
      return out.integer(int64_t{from.at<int16_t>(row)});
    case DUCKDB_TYPE_UTINYINT:
      return out.integer(uint64_t{from.at<uint8_t>(row)});
    case DUCKDB_TYPE_USMALLINT:
      return out.integer(uint64_t{from.at<uint16_t>(row)});
    case DUCKDB_TYPE_UINTEGER:
      return out.integer(uint64_t{from.at<uint32_t>(row)});
    case DUCKDB_TYPE_HUGEINT:
      return out.integer(wide(from.at<duckdb_hugeint>(row)));
    case DUCKDB_TYPE_UHUGEINT: {
      const auto value = from.at<duckdb_uhugeint>(row);
      return out.unsigned_integer(static_cast<unsigned __int128>(value.upper) << 64 | value.lower);
    }
    case DUCKDB_TYPE_DECIMAL:
      return out.decimal(decimal_at(from, row), from.type->scale);
    case DUCKDB_TYPE_FLOAT:
      return out.number(from.at<float>(row));
    case DUCKDB_TYPE_BLOB:
      return out.base64(view_of(from.text(row)));
    case DUCKDB_TYPE_BIT:
      return put_bits(out, view_of(from.text(row)));
    case DUCKDB_TYPE_UUID:
      return put_uuid(out, from.at<duckdb_hugeint>(row));
    case DUCKDB_TYPE_ENUM:
      return out.text(label_at(from, row));
    default:
      return put_moment(out, from, row);
  }
}

void put_value(JsonOut& out, const ResultVector& from, uint64_t row) {
  if (from.is_null(row)) {
    return out.raw("null");
  }
  switch (from.type->id) {
    case DUCKDB_TYPE_BOOLEAN:
      return out.raw(from.at<bool>(row) ? "true" : "false");
    case DUCKDB_TYPE_INTEGER:
      return out.integer(int64_t{from.at<int32_t>(row)});
    case DUCKDB_TYPE_BIGINT:
      return out.integer(from.at<int64_t>(row));
    case DUCKDB_TYPE_UBIGINT:
      return out.integer(from.at<uint64_t>(row));
    case DUCKDB_TYPE_DOUBLE:
      return out.number(from.at<double>(row));
    case DUCKDB_TYPE_VARCHAR:
      return out.text(view_of(from.text(row)));
    default:
      return put_rare(out, from, row);
  }
}

bool has_form(const ResultType& type) {
  switch (type.id) {
    case DUCKDB_TYPE_INVALID:
    case DUCKDB_TYPE_BIGNUM:
    case DUCKDB_TYPE_ANY:
    case DUCKDB_TYPE_STRING_LITERAL:
    case DUCKDB_TYPE_INTEGER_LITERAL:
      return false;
    default:
      break;
  }
  // Beyond the last one that the C API knows are geometry, variant and what comes next.
  if (type.id > DUCKDB_TYPE_TIME_NS) {
    return false;
  }
  for (const ResultType& child : type.children) {
    if (!has_form(child)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Status JsonEncoder::begin(std::vector<ResultColumn> columns) {
  columns_ = std::move(columns);
  out_.raw(R"({"columns":[)");
  for (size_t i = 0; i < columns_.size(); ++i) {
    const ResultColumn& column = columns_[i];
    if (!has_form(column.type)) {
      return make_error(Code::kUnsupported,
                        "column {} is of a type ({}) that has no JSON form here; cast it, for "
                        "example to VARCHAR",
                        column.name, column.type.to_string());
    }
    out_.raw(i == 0 ? R"({"name":)" : R"(,{"name":)");
    out_.text(column.name);
    out_.raw(R"(,"type":)");
    out_.text(column.type.to_string());
    out_.put('}');
  }
  out_.raw(R"(],"rows":[)");
  return check_size();
}

Status JsonEncoder::add(duckdb_data_chunk chunk) {
  std::vector<ResultVector> vectors;
  vectors.reserve(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    vectors.push_back(ResultVector::of(columns_[i].type, duckdb_data_chunk_get_vector(chunk, i)));
  }
  const idx_t rows = duckdb_data_chunk_get_size(chunk);
  for (idx_t row = 0; row < rows && !out_.is_over(); ++row) {
    if (has_rows_) {
      out_.put(',');
    }
    has_rows_ = true;
    out_.put('[');
    for (size_t i = 0; i < vectors.size(); ++i) {
      if (i > 0) {
        out_.put(',');
      }
      put_value(out_, vectors[i], row);
    }
    out_.put(']');
  }
  return check_size();
}

Result<std::vector<std::string>> JsonEncoder::finish() {
  out_.raw("]}");
  MILLRACE_TRY_STATUS(check_size());
  return std::move(out_).finish();
}

Status JsonEncoder::check_size() const {
  if (out_.is_over() || out_.size() > limit_) {
    return make_error(Code::kInvalid,
                      "the answer is larger than {} bytes; select fewer rows or columns, or "
                      "aggregate",
                      limit_);
  }
  return {};
}

}  // namespace millrace::query
