// MessagePack as tokens. Format: https://github.com/msgpack/msgpack/blob/master/spec.md
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace millrace::columnar {

enum class MsgpackKind : uint8_t {
  kNil,
  kBool,
  kSigned,    // any integer up to 2^63-1, however it was written
  kUnsigned,  // an integer above that
  kFloat,     // float 32 is widened
  kString,
  kBinary,
  kExtension,
  kArray,
  kMap,
  kWrong,      // the byte 0xc1, which is never used
  kTruncated,  // the bytes end within it
};

/// "nil", "bool", "integer", ... for messages.
std::string_view name_of(MsgpackKind kind);

struct MsgpackToken {
  MsgpackKind kind = MsgpackKind::kNil;
  /// The number; of an array its elements, of a map its pairs, of an extension its type's byte.
  uint64_t bits = 0;
  std::string_view text;  // string, binary, extension: the payload, within the input

  bool is_over() const { return kind == MsgpackKind::kWrong || kind == MsgpackKind::kTruncated; }
};

template <typename T>
T load_big_endian(const std::byte* at) {
  T raw;
  std::memcpy(&raw, at, sizeof raw);
  if constexpr (sizeof(T) == 8) {
    return static_cast<T>(__builtin_bswap64(static_cast<uint64_t>(raw)));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(raw)));
  } else if constexpr (sizeof(T) == 2) {
    return static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(raw)));
  } else {
    return raw;
  }
}

/// Walks over bytes that it does not own; never reads out of bounds. Not recursive, so nesting
/// costs nothing.
class MsgpackReader {
 public:
  explicit MsgpackReader(std::span<const std::byte> input)
      : begin_(input.data()), at_(begin_), end_(begin_ + input.size()) {}

  size_t position() const { return static_cast<size_t>(at_ - begin_); }

  size_t remaining() const { return static_cast<size_t>(end_ - at_); }

  const std::byte* at() const { return at_; }

  const std::byte* end() const { return end_; }

  /// To a place within the input, as a loop that read from at() itself found it.
  void move_to(const std::byte* at) { at_ = at; }

  /// The next value; of an array or map its head only. At the end and within a value that is cut
  /// short: kTruncated, and the reader stays.
  MsgpackToken next();

  /// Passes a whole value, however nested. false: it is wrong or cut short; the reader stands
  /// there.
  bool skip();

 private:
  template <typename T>
  MsgpackToken number(MsgpackKind kind);
  template <typename Size>
  MsgpackToken payload(MsgpackKind kind, size_t more);
  template <typename Size>
  MsgpackToken head(MsgpackKind kind);
  MsgpackToken payload_of(MsgpackKind kind, size_t front, size_t size);
  MsgpackToken long_form(uint8_t lead);

  const std::byte* begin_;
  const std::byte* at_;
  const std::byte* end_;
};

}  // namespace millrace::columnar
