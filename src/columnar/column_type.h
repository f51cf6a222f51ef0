// The types a column may have, and how a column may widen without changing a value it holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace millrace::columnar {

/// What SQL's TIMESTAMP_NS can say: from 1677-09-22, the first whole day, to 2262-04-11 23:47:16;
/// the greatest 64-bit number is its "infinity".
inline constexpr int64_t kFirstNs = -9'223'286'400'000'000'000;
inline constexpr int64_t kLastNs = std::numeric_limits<int64_t>::max() - 1;

constexpr bool is_in_ns_range(int64_t time_ns) {
  return time_ns >= kFirstNs && time_ns <= kLastNs;
}

enum class ColumnType : uint8_t {
  kNull,  // nothing but nulls so far
  kBool,
  kI64,
  kU64,
  kF64,
  kString,  // valid UTF-8
  kTimeUs,  // microseconds since 1970-01-01 UTC, before it negative
  kTimeNs,  // nanoseconds: kFirstNs to kLastNs
  kBinary,
};

/// "null", "bool", "i64", "u64", "f64", "string", "time_us", "time_ns", "binary".
std::string_view name_of(ColumnType type);

/// Whether values are bytes of any length, joined: Column::offsets says where each ends.
constexpr bool has_offsets(ColumnType type) {
  return type == ColumnType::kString || type == ColumnType::kBinary;
}

/// Bytes a value takes in Column::values; 0 for null and where there are offsets.
constexpr size_t width_of(ColumnType type) {
  switch (type) {
    case ColumnType::kNull:
    case ColumnType::kString:
    case ColumnType::kBinary:
      return 0;
    case ColumnType::kBool:
      return 1;
    default:
      return 8;
  }
}

constexpr bool is_integer(ColumnType type) {
  return type == ColumnType::kI64 || type == ColumnType::kU64;
}

constexpr bool is_time(ColumnType type) {
  return type == ColumnType::kTimeUs || type == ColumnType::kTimeNs;
}

/// Up to here every integer is a double; from the next one on (2^53+1) some are not.
inline constexpr uint64_t kExactInDouble = uint64_t{1} << 53;

/// What is known of all values of a column; it decides which ways to widen are open.
struct ValueFacts {
  bool fits_f64 = true;       // i64, u64: every value is within ±2^53
  bool has_negative = false;  // i64: some value is below 0
  bool fits_i64 = true;       // u64: no value is above 2^63-1
  bool fits_ns = true;        // time_us: every value is within the years of time_ns

  /// Both sets of values together.
  ValueFacts with(const ValueFacts& other) const {
    return {fits_f64 && other.fits_f64, has_negative || other.has_negative,
            fits_i64 && other.fits_i64, fits_ns && other.fits_ns};
  }

  bool operator==(const ValueFacts&) const = default;
};

/// The type a column of `current` has once it also holds values of `incoming`; it is `current` or
/// wider. nullopt where some value would change or two meanings would meet:
///
///   null with anything      the other type
///   time_us, time_ns        time_ns, while every microsecond value fits
///   i64 or u64, f64         f64, while every integer is within ±2^53, whichever came first
///   i64 getting u64         i64 while the u64 values fit; else u64, if nothing was below 0
///   u64 getting i64         u64, if nothing is below 0
///   all else                only its own type
std::optional<ColumnType> widened(ColumnType current, const ValueFacts& current_facts,
                                  ColumnType incoming, const ValueFacts& incoming_facts);

}  // namespace millrace::columnar
