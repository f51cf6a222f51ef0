#include "net/http_body.h"

#include "net/http_head.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace millrace::net {
namespace {

constexpr size_t kMostTrailerBytes = size_t{8} << 10;

HttpRefusal bad(std::string reason) {
  return HttpRefusal{400, std::move(reason)};
}

/// The line at the start of `bytes`, without its end; nullopt when that has not come.
std::optional<std::string_view> line_of(std::string_view bytes) {
  const size_t feed = bytes.find('\n');
  return feed == std::string_view::npos ? std::nullopt : std::optional(bytes.substr(0, feed));
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
  });
}

std::optional<HttpRefusal> check_trailer(std::string_view line) {
  const std::string_view name = line.substr(0, line.find(':'));
  if (name.size() == line.size() || name.empty() || has_control(line) ||
      name.find_first_of(" \t") != std::string_view::npos) {
    return bad("a trailer field has no name");
  }
  for (const std::string_view framing : {"Content-Length", "Transfer-Encoding", "Host"}) {
    if (equals_ignoring_case(name, framing)) {
      return bad(fmt::format("{} in the trailer", framing));
    }
  }
  return std::nullopt;
}

}  // namespace

void HttpBody::reserve(size_t bytes) {
  if (bytes <= capacity_) {
    return;
  }
  auto bigger = std::make_unique_for_overwrite<std::byte[]>(bytes);
  if (size_ > 0) {
    std::memcpy(bigger.get(), data_.get(), size_);
  }
  data_ = std::move(bigger);
  capacity_ = bytes;
}

void HttpBody::append(std::string_view bytes) {
  if (capacity_ - size_ < bytes.size()) {
    reserve(std::max(size_ + bytes.size(), std::max<size_t>(4096, capacity_ * 2)));
  }
  if (!bytes.empty()) {
    std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
}

std::optional<HttpRefusal> ChunkDecoder::read_size(std::string_view line, size_t allowed) {
  const char* end = line.data() + line.size();
  // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): from_chars takes both ends.
  const auto parsed = std::from_chars(line.data(), end, left_, 16);
  // from_chars takes no sign for unsigned types but "-"; hex digits alone may stand first.
  if (line.empty() || line.front() == '-' || parsed.ec != std::errc()) {
    return bad("a chunk's size is not a hexadecimal number");
  }
  std::string_view extension(parsed.ptr, static_cast<size_t>(end - parsed.ptr));
  const size_t start = extension.find_first_not_of(" \t");
  if (!extension.empty() &&
      (start == std::string_view::npos || extension[start] != ';' || has_control(extension))) {
    return bad("a chunk's size is followed by something else");
  }
  if (left_ > allowed) {
    return HttpRefusal{413, "the body is larger than allowed"};
  }
  state_ = left_ == 0 ? State::kTrailer : State::kData;
  return std::nullopt;
}

ChunkDecoder::Progress ChunkDecoder::decode(std::string_view bytes, size_t max_body_bytes,
                                            HttpBody& body) {
  size_t at = 0;
  while (true) {
    const std::string_view rest = bytes.substr(at);
    if (state_ == State::kData) {
      const std::string_view data = rest.substr(0, std::min<uint64_t>(left_, rest.size()));
      body.append(data);
      left_ -= data.size();
      at += data.size();
      if (left_ > 0) {
        return {at, false, std::nullopt};
      }
      state_ = State::kDataEnd;
      continue;
    }
    if (state_ == State::kDataEnd && !rest.empty() && rest.front() != '\r') {
      return {at, false, bad("a chunk is longer than its size")};
    }
    auto line = line_of(rest);
    if (!line.has_value()) {
      return {at, false, std::nullopt};
    }
    at += line->size() + 1;
    if (!line->ends_with('\r')) {
      return {at, false, bad("a line ends without CR")};
    }
    line->remove_suffix(1);
    std::optional<HttpRefusal> refusal;
    switch (state_) {
      case State::kSize:
        refusal = read_size(*line, max_body_bytes - body.size());
        break;
      case State::kDataEnd:
        refusal =
            line->empty() ? std::nullopt : std::optional(bad("a chunk is longer than its size"));
        state_ = State::kSize;
        break;
      default:
        if (line->empty()) {
          return {at, true, std::nullopt};
        }
        trailer_bytes_ += line->size();
        refusal = trailer_bytes_ > kMostTrailerBytes ? std::optional(bad("the trailer is too long"))
                                                     : check_trailer(*line);
        break;
    }
    if (refusal.has_value()) {
      return {at, false, std::move(refusal)};
    }
  }
}

}  // namespace millrace::net
