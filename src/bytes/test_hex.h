// Bytes as the examples in docs/formats/ show them, for tests.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

namespace millrace::bytes {

/// Sixteen to a line, two digits each.
inline std::string hex_lines(std::span<const std::byte> bytes) {
  std::string lines;
  for (size_t at = 0; at < bytes.size(); at += 16) {
    for (size_t i = at; i < std::min(at + 16, bytes.size()); ++i) {
      lines += fmt::format("{}{:02x}", i == at ? "" : " ", static_cast<unsigned>(bytes[i]));
    }
    lines += '\n';
  }
  return lines;
}

}  // namespace millrace::bytes
