// Bodies: one piece of memory, and the decoder of chunked ones (RFC 9112 section 7.1).
#pragma once

#include "net/http_parser.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace millrace::net {

/// The bytes of a body, in one piece. Grows by doubling when its length is not known before.
class HttpBody {
 public:
  /// Makes room for `bytes` in all; what is there stays. Contents of new room are undefined.
  void reserve(size_t bytes);
  void append(std::string_view bytes);

  /// Room to read into; commit() what was read.
  std::span<std::byte> room() { return {data_.get() + size_, capacity_ - size_}; }

  void commit(size_t bytes) { size_ += bytes; }

  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }

  size_t size() const { return size_; }

  size_t capacity() const { return capacity_; }

 private:
  std::unique_ptr<std::byte[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

/// Decodes one chunked body. Our own: Beast 1.81 asserts on a last chunk that comes in pieces.
/// Strict where others differ: sizes are hex digits alone, every line ends in CR LF.
class ChunkDecoder {
 public:
  struct Progress {
    size_t bytes = 0;      // taken; the rest is given again, with more behind it
    bool is_done = false;  // what was not taken belongs to the next request
    std::optional<HttpRefusal> refusal;
  };

  /// Decodes what it can of `bytes` into `body`. Not again after is_done or a refusal.
  /// Extensions and trailer fields are checked and ignored. A line needs to be whole in `bytes`.
  /// Refuses: 400 (syntax, a trailer field that is about framing), 413 (over `max_body_bytes`).
  Progress decode(std::string_view bytes, size_t max_body_bytes, HttpBody& body);

 private:
  enum class State : unsigned char { kSize, kData, kDataEnd, kTrailer };

  std::optional<HttpRefusal> read_size(std::string_view line, size_t allowed);

  State state_ = State::kSize;
  uint64_t left_ = 0;  // of the current chunk
  size_t trailer_bytes_ = 0;
};

}  // namespace millrace::net
