#include "columnar/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace millrace::columnar {
namespace {

constexpr uint64_t kHighBits = 0x8080808080808080;

uint64_t load(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// How many bytes from the front are ASCII, in whole words of 16.
size_t ascii_words(std::string_view text) {
  size_t at = 0;
  while (text.size() - at >= 16 &&
         ((load(text.data() + at) | load(text.data() + at + 8)) & kHighBits) == 0) {
    at += 16;
  }
  return at;
}

/// Length of the sequence at the front of `text`, which is not empty; 0 if it is wrong. The table
/// is RFC 3629 section 4: only the second byte's range depends on the first.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) {
    return 1;
  }
  const size_t length = first < 0xC2   ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  if (length == 0 || text.size() < length) {
    return 0;
  }
  const uint8_t least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const uint8_t most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < least || byte(1) > most) {
    return 0;
  }
  for (size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) {
      return 0;
    }
  }
  return length;
}

}  // namespace

bool is_ascii(std::string_view text) {
  size_t at = ascii_words(text);
  uint8_t all = 0;
  for (; at < text.size() && all < 0x80; ++at) {
    all |= static_cast<uint8_t>(text[at]);
  }
  return all < 0x80;
}

std::optional<size_t> find_invalid_utf8(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    at += ascii_words(text.substr(at));
    // Up to 16 bytes one by one before words are tried again.
    for (size_t i = 0; i < 16 && at < text.size(); ++i) {
      const size_t length = sequence_length(text.substr(at));
      if (length == 0) {
        return at;
      }
      at += length;
    }
  }
  return std::nullopt;
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace millrace::columnar
