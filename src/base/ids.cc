#include "base/ids.h"

#include "base/check.h"

#include <sys/random.h>

#include <cstring>

namespace millrace {
namespace {

std::optional<uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return static_cast<uint8_t>(c - '0');
  }
  if (c >= 'a' && c <= 'f') {
    return static_cast<uint8_t>(c - 'a' + 10);
  }
  if (c >= 'A' && c <= 'F') {
    return static_cast<uint8_t>(c - 'A' + 10);
  }
  return std::nullopt;
}

}  // namespace

Uuid Uuid::random() {
  Uuid uuid;
  MILLRACE_CHECK(getrandom(uuid.bytes.data(), uuid.bytes.size(), 0) == 16, "getrandom(2) failed");
  uuid.bytes[6] = static_cast<uint8_t>((uuid.bytes[6] & 0x0F) | 0x40);
  uuid.bytes[8] = static_cast<uint8_t>((uuid.bytes[8] & 0x3F) | 0x80);
  return uuid;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  Uuid uuid;
  const bool dashed = text.size() == 36;
  if (!dashed && text.size() != 32) {
    return std::nullopt;
  }
  size_t at = 0;
  for (size_t i = 0; i < 16; ++i) {
    if (dashed && (i == 4 || i == 6 || i == 8 || i == 10)) {
      if (text[at++] != '-') {
        return std::nullopt;
      }
    }
    const auto high = hex_digit(text[at]);
    const auto low = hex_digit(text[at + 1]);
    if (!high || !low) {
      return std::nullopt;
    }
    uuid.bytes[i] = static_cast<uint8_t>(*high << 4 | *low);
    at += 2;
  }
  return uuid;
}

std::string Uuid::to_string() const {
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      text += '-';
    }
    fmt::format_to(std::back_inserter(text), "{:02x}", bytes[i]);
  }
  return text;
}

size_t hash_of(const Uuid& uuid) {
  uint64_t a = 0;
  uint64_t b = 0;
  std::memcpy(&a, uuid.bytes.data(), 8);
  std::memcpy(&b, uuid.bytes.data() + 8, 8);
  return (a ^ (b * 0x9E3779B97F4A7C15u)) * 0xFF51AFD7ED558CCDu;
}

}  // namespace millrace
