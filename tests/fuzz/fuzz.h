// What every fuzz target needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace millrace::fuzz {

/// Ends the process, so that libFuzzer keeps the input.
inline void expect(bool condition) {
  if (!condition) {
    std::abort();
  }
}

/// A copy of its own, so that the address sanitizer sees a read past its end.
template <typename Byte = std::byte>
std::vector<Byte> own_copy(const uint8_t* data, size_t size) {
  const auto* begin = reinterpret_cast<const Byte*>(data);
  return {begin, begin + size};
}

}  // namespace millrace::fuzz
