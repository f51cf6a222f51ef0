#include "columnar/msgpack_value.h"

#include "columnar/time_column.h"

#include <span>

namespace millrace::columnar {
namespace {

constexpr uint64_t kTimestamp = 0xff;  // -1
constexpr uint32_t kNsPerSecond = 1'000'000'000;

/// Timestamp 32, 64 and 96 of the specification.
Result<Value> timestamp_of(const MsgpackToken& token) {
  const auto* at = reinterpret_cast<const std::byte*>(token.text.data());
  int64_t seconds = 0;
  uint32_t ns = 0;
  if (token.text.size() == 4) {
    seconds = load_big_endian<uint32_t>(at);
  } else if (token.text.size() == 8) {
    const auto both = load_big_endian<uint64_t>(at);
    seconds = static_cast<int64_t>(both & ((uint64_t{1} << 34) - 1));
    ns = static_cast<uint32_t>(both >> 34);
  } else if (token.text.size() == 12) {
    ns = load_big_endian<uint32_t>(at);
    seconds = load_big_endian<int64_t>(at + sizeof ns);
  } else {
    return make_error(Code::kInvalid, "a timestamp of {} bytes, not of 4, 8 or 12",
                      token.text.size());
  }
  if (ns >= kNsPerSecond) {
    return make_error(Code::kInvalid, "a timestamp with {} nanoseconds, a whole second or more",
                      ns);
  }
  if (seconds < kFirstSecond || seconds > kLastSecond) {
    return make_error(Code::kInvalid, "a timestamp outside the years 1 to 9999");
  }
  const int64_t us = seconds * 1'000'000 + ns / 1000;
  if (ns % 1000 == 0) {
    return Value{ColumnType::kTimeUs, static_cast<uint64_t>(us), {}};
  }
  int64_t value = 0;
  if (__builtin_mul_overflow(us, int64_t{1000}, &value) ||
      __builtin_add_overflow(value, int64_t{ns % 1000}, &value) || !is_in_ns_range(value)) {
    return make_error(Code::kInvalid,
                      "a timestamp with nanoseconds outside 1677-09-22 to 2262-04-11");
  }
  return Value{ColumnType::kTimeNs, static_cast<uint64_t>(value), {}};
}

bool is_timestamp(const MsgpackToken& token) {
  return token.kind == MsgpackKind::kExtension && token.bits == kTimestamp;
}

}  // namespace

Result<Value> value_of(const MsgpackToken& token) {
  switch (token.kind) {
    case MsgpackKind::kNil:
      return Value();
    case MsgpackKind::kBool:
      return Value::of_bool(token.bits != 0);
    case MsgpackKind::kSigned:
      return Value::of_i64(static_cast<int64_t>(token.bits));
    case MsgpackKind::kUnsigned:
      return Value::of_u64(token.bits);
    case MsgpackKind::kFloat:
      return Value{ColumnType::kF64, token.bits, {}};
    case MsgpackKind::kString:
      return Value::of_string(token.text);
    case MsgpackKind::kBinary:
      return Value::of_binary(token.text);
    case MsgpackKind::kExtension:
      if (is_timestamp(token)) {
        return timestamp_of(token);
      }
      return make_error(Code::kInvalid, "an extension of type {}: only timestamps, -1, are taken",
                        static_cast<int8_t>(token.bits));
    default:
      return make_error(Code::kInvalid, "{} where a value should be", name_of(token.kind));
  }
}

Result<Value> time_of(const MsgpackToken& token, std::optional<Precision> precision) {
  if (is_timestamp(token)) {
    return timestamp_of(token);
  }
  if (token.kind == MsgpackKind::kUnsigned) {
    return make_error(Code::kInvalid, "nanoseconds end in 2262");
  }
  if (token.kind != MsgpackKind::kSigned) {
    return make_error(Code::kInvalid, "a time is an integer or a timestamp, this is {}",
                      name_of(token.kind));
  }
  auto time = static_cast<int64_t>(token.bits);
  const TimeUnit unit = unify_times(std::span(&time, 1), precision);
  if (unit.row_outside) {
    return make_error(Code::kInvalid, "{}", unit.outside);
  }
  return Value{unit.type, static_cast<uint64_t>(time), {}};
}

}  // namespace millrace::columnar
