// One pair of functions per codec library; contracts in codec.h. Private to bytes/.
#pragma once

#include "base/result.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::bytes::impl {

using Bytes = std::vector<std::byte>;
using View = std::span<const std::byte>;

Result<Bytes> gzip_compress(View input, int level);
Result<Bytes> gzip_decompress(View input, size_t limit);
Result<Bytes> snappy_compress(View input);
Result<Bytes> snappy_decompress(View input, size_t limit);
Result<Bytes> lz4_compress(View input, int level);
Result<Bytes> lz4_decompress(View input, size_t limit);
Result<Bytes> zstd_compress(View input, int level);
Result<Bytes> zstd_decompress(View input, size_t limit);

inline Error over_limit(std::string_view codec, size_t limit) {
  return make_error(Code::kTooLarge, "{}: content passes the limit of {} bytes", codec, limit);
}

inline Error truncated(std::string_view codec, size_t size) {
  return make_error(Code::kInvalid, "{}: input ends early, after {} bytes", codec, size);
}

/// The output of a streaming decompressor: grows as it fills, never far beyond `limit`. One byte
/// more than the limit is offered, so that content of exactly `limit` bytes is told from more.
class Output {
 public:
  Output(size_t expected, size_t limit) : limit_(limit) {
    bytes_.resize(std::min(std::max<size_t>(expected, 256), limit) + 1);
  }

  /// Room for at least one byte.
  std::span<std::byte> room() {
    if (size_ == bytes_.size()) {
      const size_t doubled = bytes_.size() > limit_ / 2 ? limit_ : bytes_.size() * 2;
      bytes_.resize(doubled + 1);
    }
    return std::span(bytes_).subspan(size_);
  }

  /// false: the content is over the limit, and the caller must stop.
  bool advance(size_t n) {
    size_ += n;
    return size_ <= limit_;
  }

  Bytes take() && {
    bytes_.resize(size_);
    return std::move(bytes_);
  }

 private:
  Bytes bytes_;
  size_t size_ = 0;
  size_t limit_;
};

}  // namespace millrace::bytes::impl
