// Reading and writing of wire bytes: fixed integers of both orders, varints, slices.
#pragma once

#include "base/result.h"
#include "bytes/buffer.h"

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace millrace::bytes {

/// Walks over bytes that it does not own; slices it returns point into them.
/// The first failure sticks: from then on every read answers zero or empty and remaining() is 0, so
/// a decoder reads a whole message and asks ok() once. Never reads out of bounds.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes)
      : begin_(bytes.data()), at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return failure_ == nullptr; }

  size_t remaining() const { return static_cast<size_t>(end_ - at_); }

  /// Bytes read so far; after a failure, where it happened.
  size_t position() const { return static_cast<size_t>(at_ - begin_); }

  /// The first failure as "<what>: <reason> at byte N", by default kInvalid. Success while ok().
  Status status(std::string_view what, Code code = Code::kInvalid) const;

  /// Marks the input as wrong at this place; `reason` must be a literal. Keeps an earlier failure.
  void fail(const char* reason) {
    if (failure_ == nullptr) {
      failure_ = reason;
      end_ = at_;
    }
  }

  template <std::integral T>
  T be() {
    return fixed<T, std::endian::big>();
  }

  template <std::integral T>
  T le() {
    return fixed<T, std::endian::little>();
  }

  uint8_t u8() { return be<uint8_t>(); }

  double f64_be() { return std::bit_cast<double>(be<uint64_t>()); }

  /// Base-128, least significant group first. Refused: more than 5 or 10 bytes, bits beyond the
  /// type. Zero padding within these is accepted, as Kafka's own readers do.
  uint32_t uvarint() {
    if (at_ < end_ && static_cast<uint8_t>(*at_) < 0x80) {
      return static_cast<uint8_t>(*at_++);
    }
    return static_cast<uint32_t>(uvarint_of(32));
  }

  uint64_t uvarlong() { return uvarint_of(64); }

  /// The same with zigzag: 0, -1, 1, -2 ...
  int32_t varint() {
    const uint32_t raw = uvarint();
    return static_cast<int32_t>((raw >> 1) ^ (~(raw & 1) + 1));
  }

  int64_t varlong() {
    const uint64_t raw = uvarlong();
    return static_cast<int64_t>((raw >> 1) ^ (~(raw & 1) + 1));
  }

  /// The next `n` bytes, not copied.
  std::span<const std::byte> bytes(size_t n) {
    if (n > remaining()) [[unlikely]] {
      fail("truncated");
      return {};
    }
    const std::span<const std::byte> slice(at_, n);
    at_ += n;
    return slice;
  }

  void skip(size_t n) { bytes(n); }

 private:
  template <typename T, std::endian kOrder>
  T fixed() {
    if (remaining() < sizeof(T)) [[unlikely]] {
      fail("truncated");
      return 0;
    }
    std::make_unsigned_t<T> raw;
    std::memcpy(&raw, at_, sizeof raw);
    at_ += sizeof raw;
    return static_cast<T>(kOrder == std::endian::native ? raw : swapped(raw));
  }

  template <typename U>
  static U swapped(U raw) {
    if constexpr (sizeof(U) == 8) {
      return __builtin_bswap64(raw);
    } else if constexpr (sizeof(U) == 4) {
      return __builtin_bswap32(raw);
    } else if constexpr (sizeof(U) == 2) {
      return __builtin_bswap16(raw);
    } else {
      return raw;
    }
  }

  friend class Writer;
  uint64_t uvarint_of(int bits);

  const std::byte* begin_;
  const std::byte* at_;
  const std::byte* end_;
  const char* failure_ = nullptr;
};

/// Appends to memory of its own that grows by doubling. Not for use by two threads.
class Writer {
 public:
  Writer() = default;

  explicit Writer(size_t reserve) { grow(reserve); }

  size_t size() const { return size_; }

  /// Valid until the next append.
  std::span<const std::byte> view() const { return {data_.get(), size_}; }

  template <std::integral T>
  void be(T value) {
    fixed<T, std::endian::big>(value);
  }

  template <std::integral T>
  void le(T value) {
    fixed<T, std::endian::little>(value);
  }

  void u8(uint8_t value) { be(value); }

  void f64_be(double value) { be(std::bit_cast<uint64_t>(value)); }

  void uvarint(uint32_t value) { uvarlong(value); }

  void uvarlong(uint64_t value);

  void varint(int32_t value) {
    uvarint((static_cast<uint32_t>(value) << 1) ^ static_cast<uint32_t>(value >> 31));
  }

  void varlong(int64_t value) {
    uvarlong((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }

  void bytes(std::span<const std::byte> bytes) {
    if (!bytes.empty()) {
      std::memcpy(append(bytes.size()), bytes.data(), bytes.size());
    }
  }

  void text(std::string_view text) { bytes(as_bytes(text)); }

  /// `n` bytes for the caller to fill before the next append.
  std::byte* append(size_t n) {
    if (n > capacity_ - size_) [[unlikely]] {
      grow(n);
    }
    std::byte* at = data_.get() + size_;
    size_ += n;
    return at;
  }

  /// Overwrites what stands at `position`; position + sizeof(T) <= size(): checked.
  template <std::integral T>
  void patch_be(size_t position, T value) {
    check_patch(position, sizeof(T));
    const auto raw = Reader::swapped(static_cast<std::make_unsigned_t<T>>(value));
    std::memcpy(data_.get() + position, &raw, sizeof raw);
  }

  template <std::integral T>
  void patch_le(size_t position, T value) {
    check_patch(position, sizeof(T));
    std::memcpy(data_.get() + position, &value, sizeof value);
  }

  /// Forgets the bytes, keeps the memory.
  void clear() { size_ = 0; }

  /// What was written, without a copy. Empties this one.
  Buffer finish() &&;

 private:
  template <typename T, std::endian kOrder>
  void fixed(T value) {
    const auto raw = static_cast<std::make_unsigned_t<T>>(value);
    const auto ordered = kOrder == std::endian::native ? raw : Reader::swapped(raw);
    std::memcpy(append(sizeof ordered), &ordered, sizeof ordered);
  }

  void grow(size_t more);
  void check_patch(size_t position, size_t width) const;

  std::unique_ptr<std::byte[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace millrace::bytes
