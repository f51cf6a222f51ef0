// JSON text in pieces of bounded size, written value by value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::query {

/// A piece is about so large; only a single value may make it larger.
inline constexpr size_t kPieceBytes = size_t{1} << 20;

/// Not for two threads. Beyond its limit it drops what is written: look at is_over() now and then.
class JsonOut {
 public:
  explicit JsonOut(size_t limit) : limit_(limit) {}

  bool is_over() const { return is_over_; }

  /// Bytes so far.
  size_t size() const { return finished_ + static_cast<size_t>(at_ - piece_.data()); }

  void put(char c) { *room(1) = c, ++at_; }

  /// As it is.
  void raw(std::string_view text);
  /// In quotes, escaped. What is not UTF-8 becomes U+FFFD, which no VARCHAR of DuckDB has.
  void text(std::string_view text);
  /// In quotes, RFC 4648 section 4.
  void base64(std::string_view bytes);

  /// Beyond ±2^53 in quotes: JavaScript and others read a JSON number as a double.
  void integer(int64_t value);
  void integer(uint64_t value);
  void integer(__int128 value);
  void unsigned_integer(unsigned __int128 value);
  /// `value` / 10^`scale`; in quotes when the digits are beyond 2^53.
  void decimal(__int128 value, unsigned scale);
  /// The shortest digits that read back as the same value; null for NaN and the infinities.
  void number(double value);
  void number(float value);

  /// Where `bytes` bytes may be written; then wrote().
  char* room(size_t bytes) {
    if (static_cast<size_t>(end_ - at_) < bytes) [[unlikely]] {
      next_piece(bytes);
    }
    return at_;
  }

  void wrote(const char* end) { at_ = const_cast<char*>(end); }

  std::vector<std::string> finish() &&;

 private:
  void next_piece(size_t bytes);
  void escaped(std::string_view text);

  const size_t limit_;
  size_t finished_ = 0;
  bool is_over_ = false;
  std::vector<std::string> pieces_;
  std::string piece_;
  char* at_ = piece_.data();
  char* end_ = at_;
};

}  // namespace millrace::query
