#include "columnar/msgpack_column.h"

#include "columnar/column_builder.h"
#include "columnar/msgpack_value.h"
#include "columnar/time_column.h"
#include "columnar/utf8.h"

#include <algorithm>

namespace millrace::columnar {
namespace {

/// The longest number; while so much is left, a run needs no check inside a value.
constexpr ptrdiff_t kLongestNumber = 9;
/// Short strings are copied as so many bytes, whatever their length.
constexpr size_t kCopy = 16;

/// Whether `at` begins an integer that fits int64_t; then it is in `value` and `at` behind it.
/// kLongestNumber bytes must be there.
inline bool take_integer(const std::byte*& at, int64_t& value) {
  const auto lead = static_cast<uint8_t>(*at);
  switch (lead) {
    case 0xcf:
    case 0xd3:
      value = load_big_endian<int64_t>(at + 1);
      if (lead == 0xcf && value < 0) {
        return false;
      }
      at += 9;
      return true;
    case 0xce:
      value = load_big_endian<uint32_t>(at + 1);
      at += 5;
      return true;
    case 0xd2:
      value = load_big_endian<int32_t>(at + 1);
      at += 5;
      return true;
    case 0xcd:
      value = load_big_endian<uint16_t>(at + 1);
      at += 3;
      return true;
    case 0xd1:
      value = load_big_endian<int16_t>(at + 1);
      at += 3;
      return true;
    case 0xcc:
      value = static_cast<uint8_t>(at[1]);
      at += 2;
      return true;
    case 0xd0:
      value = int64_t{static_cast<int8_t>(at[1])};
      at += 2;
      return true;
    default:
      if (lead >= 0x80 && lead < 0xe0) {
        return false;
      }
      value = int64_t{static_cast<int8_t>(lead)};
      ++at;
      return true;
  }
}

inline bool take_double(const std::byte*& at, double& value) {
  const auto lead = static_cast<uint8_t>(*at);
  if (lead == 0xcb) [[likely]] {
    value = std::bit_cast<double>(load_big_endian<uint64_t>(at + 1));
    at += 9;
    return true;
  }
  if (lead == 0xca) {
    value = static_cast<double>(std::bit_cast<float>(load_big_endian<uint32_t>(at + 1)));
    at += 5;
    return true;
  }
  return false;
}

inline bool take_bool(const std::byte*& at, uint8_t& value) {
  const auto lead = static_cast<uint8_t>(*at);
  if (lead != 0xc2 && lead != 0xc3) {
    return false;
  }
  value = lead & 1U;
  ++at;
  return true;
}

/// As many values as kTake understands, at most `most`; how many they were.
template <auto kTake, typename T>
size_t run(MsgpackReader& reader, T* out, size_t most) {
  const std::byte* at = reader.at();
  const std::byte* const end = reader.end();
  size_t count = 0;
  while (count < most && end - at >= kLongestNumber && kTake(at, out[count])) {
    ++count;
  }
  reader.move_to(at);
  return count;
}

/// The same for strings of up to 255 bytes.
void run_strings(MsgpackReader& reader, ColumnBuilder& builder, size_t most) {
  const std::byte* at = reader.at();
  const std::span<char> room = builder.string_room(0);
  int32_t* const ends = builder.next_end();
  const size_t before = builder.string_bytes();
  size_t used = 0;
  size_t count = 0;
  while (count < most && reader.end() - at >= 2) {
    const auto lead = static_cast<uint8_t>(*at);
    const bool is_fixed = (lead & 0xe0U) == 0xa0U;
    if (!is_fixed && lead != 0xd9) {
      break;
    }
    const size_t size = is_fixed ? lead & 0x1fU : static_cast<uint8_t>(at[1]);
    const std::byte* const text = at + (is_fixed ? 1 : 2);
    const auto left = static_cast<size_t>(reader.end() - text);
    if (left < std::max(size, kCopy) || room.size() - used < std::max(size, kCopy)) {
      break;
    }
    if (size <= kCopy) [[likely]] {
      std::memcpy(room.data() + used, text, kCopy);
    } else {
      std::memcpy(room.data() + used, text, size);
    }
    used += size;
    ends[count++] = static_cast<int32_t>(before + used);
    at = text + size;
  }
  reader.move_to(at);
  builder.advance(count, used);
}

/// The values at the front that are of the column's type already.
void run_of_type(MsgpackReader& reader, ColumnBuilder& builder, size_t most) {
  switch (builder.type()) {
    case ColumnType::kI64:
      builder.advance(
          run<take_integer>(reader, reinterpret_cast<int64_t*>(builder.next_slot()), most));
      break;
    case ColumnType::kF64:
      builder.advance(
          run<take_double>(reader, reinterpret_cast<double*>(builder.next_slot()), most));
      break;
    case ColumnType::kBool:
      builder.advance(
          run<take_bool>(reader, reinterpret_cast<uint8_t*>(builder.next_slot()), most));
      break;
    case ColumnType::kString:
      run_strings(reader, builder, most);
      break;
    default:
      break;
  }
}

/// One value of any kind: the first, a null, one that widens the column or is refused, the last
/// few.
Status step(MsgpackReader& reader, ColumnBuilder& builder, std::string_view name) {
  const size_t byte = reader.position();
  const MsgpackToken token = reader.next();
  const Result<Value> value = value_of(token);
  if (!value.ok()) {
    return make_error(Code::kInvalid, "{}{}", place_of(name, builder.rows(), byte),
                      value.error().message);
  }
  if (!builder.append(*value)) {
    return make_error(Code::kInvalid, "{}{}", place_of(name, builder.rows(), byte),
                      builder.refusal_of(*value));
  }
  return {};
}

/// The column's strings are in memory, not yet looked at. `start`: of the array's first element.
Status check_strings(MsgpackReader reader, const std::byte* start, const Column& column,
                     size_t rows) {
  if (column.type != ColumnType::kString || is_ascii(bytes::as_text(column.values))) {
    return {};
  }
  reader.move_to(start);
  for (size_t row = 0; row < rows; ++row) {
    const size_t byte = reader.position();
    if (const auto wrong = find_invalid_utf8(column.text(row))) {
      return make_error(Code::kInvalid, "{}not UTF-8 at byte {} of the string",
                        place_of(column.name, row, byte), *wrong);
    }
    reader.next();
  }
  return {};
}

/// The time, where one value at least is an extension.
Result<Column> read_timestamps(MsgpackReader& reader, size_t rows,
                               std::optional<Precision> precision) {
  ColumnBuilder builder;
  builder.reserve(rows, 0);
  while (builder.rows() < rows) {
    const size_t byte = reader.position();
    const Result<Value> time = time_of(reader.next(), precision);
    if (!time.ok() || !builder.append(*time)) {
      return make_error(Code::kInvalid, "{}{}", place_of(kTimeName, builder.rows(), byte),
                        time.ok() ? builder.refusal_of(*time) : time.error().message);
    }
  }
  return std::move(builder).finish(std::string(kTimeName), false);
}

}  // namespace

std::string place_of(std::string_view column, size_t row, size_t byte) {
  return fmt::format("column \"{}\", row {}, byte {}: ", column, row, byte);
}

Result<Column> read_column(MsgpackReader& reader, std::string_view name, size_t rows) {
  const std::byte* const start = reader.at();
  ColumnBuilder builder;
  builder.reserve(rows, std::min(reader.remaining(), rows * kCopy) + kCopy);
  while (builder.rows() < rows) {
    run_of_type(reader, builder, rows - builder.rows());
    if (builder.rows() < rows) {
      MILLRACE_TRY_STATUS(step(reader, builder, name));
    }
  }
  Column column = std::move(builder).finish(std::string(name), false);
  MILLRACE_TRY_STATUS(check_strings(reader, start, column, rows));
  return column;
}

Result<Column> read_time_column(MsgpackReader& reader, size_t rows,
                                std::optional<Precision> precision) {
  bytes::MutableBuffer buffer = bytes::MutableBuffer::of_size(rows * sizeof(int64_t));
  const std::span<int64_t> values(reinterpret_cast<int64_t*>(buffer.data()), rows);
  const std::byte* const start = reader.at();
  size_t row = 0;
  while (row < rows) {
    row += run<take_integer>(reader, values.data() + row, rows - row);
    if (row == rows) {
      break;
    }
    const size_t byte = reader.position();
    const MsgpackToken token = reader.next();
    if (token.kind == MsgpackKind::kExtension) {
      reader.move_to(start);
      return read_timestamps(reader, rows, precision);
    }
    if (token.kind != MsgpackKind::kSigned) {
      return make_error(Code::kInvalid, "{}{}", place_of(kTimeName, row, byte),
                        time_of(token, precision).error().message);
    }
    values[row++] = static_cast<int64_t>(token.bits);
  }
  const TimeUnit unit = unify_times(values, precision);
  if (unit.row_outside) {
    MsgpackReader again = reader;
    again.move_to(start);
    for (size_t i = 0; i < *unit.row_outside; ++i) {
      again.next();
    }
    return make_error(Code::kInvalid, "{}{}",
                      place_of(kTimeName, *unit.row_outside, again.position()), unit.outside);
  }
  return time_column(std::move(buffer), rows, unit.type);
}

}  // namespace millrace::columnar
