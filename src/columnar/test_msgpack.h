// MessagePack by hand, for tests: each function gives the bytes of one value or head.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::columnar::test_msgpack {

inline std::string be(uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) {
    text += static_cast<char>(value >> (8 * i));
  }
  return text;
}

inline std::string str(std::string_view text) {
  if (text.size() < 32) {
    return static_cast<char>(0xa0 + text.size()) + std::string(text);
  }
  return "\xda" + be(text.size(), 2) + std::string(text);
}

inline std::string map(size_t pairs) {
  return "\xde" + be(pairs, 2);
}

inline std::string arr(size_t elements) {
  return "\xdd" + be(elements, 4);
}

inline std::string i64(int64_t value) {
  return "\xd3" + be(static_cast<uint64_t>(value), 8);
}

inline std::string u64(uint64_t value) {
  return "\xcf" + be(value, 8);
}

inline std::string f64(double value) {
  return "\xcb" + be(std::bit_cast<uint64_t>(value), 8);
}

/// Of up to 255 bytes.
inline std::string bin(std::string_view value) {
  return "\xc4" + be(value.size(), 1) + std::string(value);
}

/// An extension, in its form with a length of one byte.
inline std::string ext(int type, std::string_view value) {
  return "\xc7" + be(value.size(), 1) + be(static_cast<uint8_t>(type), 1) + std::string(value);
}

/// A timestamp, in the form of 12 bytes.
inline std::string moment(int64_t seconds, uint32_t ns = 0) {
  return ext(-1, be(ns, 4) + be(static_cast<uint64_t>(seconds), 8));
}

inline const std::string kNil = "\xc0";
inline const std::string kYes = "\xc3";
inline const std::string kNo = "\xc2";

inline std::string array_of(const std::vector<std::string>& values) {
  std::string text = arr(values.size());
  for (const std::string& value : values) {
    text += value;
  }
  return text;
}

}  // namespace millrace::columnar::test_msgpack
