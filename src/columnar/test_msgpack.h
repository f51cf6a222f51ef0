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
