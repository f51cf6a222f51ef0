#include "query/json_out.h"

#include "columnar/utf8.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace millrace::query {
namespace {

constexpr uint64_t kExactInDouble = uint64_t{1} << 53;
/// Source bytes escaped at a time; one byte becomes 6 at most.
constexpr size_t kSlice = 8192;
constexpr size_t kMostDigits = 48;  // of 128 bits: 39, sign, point, quotes

bool needs_escape(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

/// Digits of `value` from the end of a buffer backwards; where they begin.
char* digits_before(char* end, unsigned __int128 value) {
  do {
    *--end = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  return end;
}

unsigned __int128 magnitude_of(__int128 value) {
  const auto bits = static_cast<unsigned __int128>(value);
  return value < 0 ? ~bits + 1 : bits;
}

template <typename T>
void put_float(JsonOut& out, T value) {
  if (!std::isfinite(value)) {
    out.raw("null");
    return;
  }
  char* at = out.room(kMostDigits);
  out.wrote(std::to_chars(at, at + kMostDigits, value).ptr);
}

template <typename T>
void put_integer(JsonOut& out, T value, bool is_exact) {
  char* at = out.room(kMostDigits);
  if (is_exact) {
    out.wrote(std::to_chars(at, at + kMostDigits, value).ptr);
    return;
  }
  *at = '"';
  char* end = std::to_chars(at + 1, at + kMostDigits, value).ptr;
  *end = '"';
  out.wrote(end + 1);
}

}  // namespace

void JsonOut::next_piece(size_t bytes) {
  const size_t used = static_cast<size_t>(at_ - piece_.data());
  if (finished_ + used > limit_) {
    is_over_ = true;
  }
  if (used > 0 && !is_over_) {
    piece_.resize(used);
    finished_ += used;
    pieces_.push_back(std::move(piece_));
    piece_ = std::string();
  }
  if (piece_.size() < bytes || piece_.empty()) {
    piece_.resize(std::max(bytes, kPieceBytes));
  }
  at_ = piece_.data();
  end_ = at_ + piece_.size();
}

std::vector<std::string> JsonOut::finish() && {
  piece_.resize(static_cast<size_t>(at_ - piece_.data()));
  if (!piece_.empty()) {
    pieces_.push_back(std::move(piece_));
  }
  return std::move(pieces_);
}

void JsonOut::raw(std::string_view text) {
  while (!text.empty() && !is_over_) {
    const auto slice = text.substr(0, kPieceBytes / 2);
    char* at = room(slice.size());
    std::memcpy(at, slice.data(), slice.size());
    at_ = at + slice.size();
    text.remove_prefix(slice.size());
  }
}

void JsonOut::text(std::string_view text) {
  put('"');
  while (!is_over_ && !columnar::is_ascii(text)) {
    const auto wrong = columnar::find_invalid_utf8(text);
    if (!wrong) {
      break;
    }
    escaped(text.substr(0, *wrong));
    raw("\xEF\xBF\xBD");
    text.remove_prefix(*wrong + 1);
  }
  escaped(text);
  put('"');
}

void JsonOut::escaped(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  while (!text.empty() && !is_over_) {
    const auto slice = text.substr(0, kSlice);
    text.remove_prefix(slice.size());
    char* at = room(slice.size() * 6);
    for (const char c : slice) {
      if (!needs_escape(c)) [[likely]] {
        *at++ = c;
        continue;
      }
      *at++ = '\\';
      switch (c) {
        case '"':
        case '\\':
          *at++ = c;
          break;
        case '\n':
          *at++ = 'n';
          break;
        case '\r':
          *at++ = 'r';
          break;
        case '\t':
          *at++ = 't';
          break;
        default:
          at[0] = 'u';
          at[1] = '0';
          at[2] = '0';
          at[3] = kHex[static_cast<unsigned char>(c) >> 4];
          at[4] = kHex[static_cast<unsigned char>(c) & 15];
          at += 5;
      }
    }
    at_ = at;
  }
}

void JsonOut::base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  put('"');
  while (!bytes.empty() && !is_over_) {
    const auto slice = bytes.substr(0, kSlice / 3 * 3);
    bytes.remove_prefix(slice.size());
    char* at = room((slice.size() + 2) / 3 * 4);
    for (size_t i = 0; i < slice.size(); i += 3) {
      const size_t left = std::min<size_t>(slice.size() - i, 3);
      uint32_t bits = 0;
      for (size_t k = 0; k < 3; ++k) {
        bits = bits << 8 | (k < left ? static_cast<unsigned char>(slice[i + k]) : 0U);
      }
      *at++ = kDigits[bits >> 18];
      *at++ = kDigits[bits >> 12 & 63];
      *at++ = left > 1 ? kDigits[bits >> 6 & 63] : '=';
      *at++ = left > 2 ? kDigits[bits & 63] : '=';
    }
    at_ = at;
  }
  put('"');
}

void JsonOut::integer(int64_t value) {
  constexpr auto kExact = static_cast<int64_t>(kExactInDouble);
  put_integer(*this, value, value >= -kExact && value <= kExact);
}

void JsonOut::integer(uint64_t value) {
  put_integer(*this, value, value <= kExactInDouble);
}

void JsonOut::integer(__int128 value) {
  decimal(value, 0);
}

void JsonOut::unsigned_integer(unsigned __int128 value) {
  const bool is_exact = value <= kExactInDouble;
  char digits[kMostDigits];
  char* const end = digits + sizeof(digits);
  const char* begin = digits_before(end, value);
  const std::string_view text(begin, static_cast<size_t>(end - begin));
  if (is_exact) {
    raw(text);
  } else {
    this->text(text);
  }
}

void JsonOut::decimal(__int128 value, unsigned scale) {
  const unsigned __int128 magnitude = magnitude_of(value);
  char digits[kMostDigits];
  char* const end = digits + sizeof(digits);
  char* begin = digits_before(end, magnitude);
  while (static_cast<size_t>(end - begin) < scale + 1) {
    *--begin = '0';
  }
  if (scale > 0) {
    std::memmove(begin - 1, begin, static_cast<size_t>(end - begin) - scale);
    --begin;
    *(end - scale - 1) = '.';
  }
  if (value < 0) {
    *--begin = '-';
  }
  const std::string_view text(begin, static_cast<size_t>(end - begin));
  if (magnitude <= kExactInDouble) {
    raw(text);
  } else {
    this->text(text);
  }
}

void JsonOut::number(double value) {
  put_float(*this, value);
}

void JsonOut::number(float value) {
  put_float(*this, value);
}

}  // namespace millrace::query
