// Requests of anything: no crash, no read outside the bytes given, and one reading however they are
// cut. Byte 0 says where the input is cut in two; the rest is a connection's bytes.
#include "fuzz.h"
#include "net/http_body.h"
#include "net/http_parser.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

using namespace millrace::net;  // NOLINT(google-build-using-namespace): one short file
using millrace::fuzz::expect;

namespace {

constexpr size_t kMostBody = size_t{64} << 10;

/// What a connection's bytes mean: requests and bodies, or the status of a refusal at the end.
class Connection {
 public:
  std::string meaning;

  /// false: the connection has ended.
  bool receive(std::string_view bytes) {
    waiting_ += bytes;
    while (step()) {
    }
    return !is_ended_;
  }

 private:
  bool step() {
    const size_t skipped = std::min(skip_, waiting_.size());
    waiting_.erase(0, skipped);
    skip_ -= skipped;
    if (is_ended_ || waiting_.empty()) {
      return false;
    }
    if (is_in_chunks_) {
      return take_chunks();
    }
    const auto head = parser_.parse_head(waiting_, request_);
    if (head.refusal.has_value()) {
      return refuse(*head.refusal);
    }
    if (head.bytes == 0) {
      return false;
    }
    return take_head(head.bytes);
  }

  bool take_head(size_t bytes) {
    expect(bytes <= waiting_.size());
    expect(request_.path.starts_with('/') || request_.path == "*");
    expect(percent_decode(request_.path).ok());
    static_cast<void>(request_.param("a"));
    meaning += fmt::format("[{} {}?{}", name_of(request_.method), request_.path, request_.query);
    for (const HttpHeader& field : request_.headers) {
      meaning += fmt::format(" {}={}", field.name, field.value);
    }
    const uint64_t length = request_.content_length.value_or(0);
    is_in_chunks_ = request_.is_chunked;
    decoder_ = ChunkDecoder();
    body_ = HttpBody();
    if (length > kMostBody) {
      return refuse(HttpRefusal{413, ""});
    }
    waiting_.erase(0, bytes);
    skip_ = static_cast<size_t>(length);
    return true;
  }

  bool take_chunks() {
    const auto taken = decoder_.decode(waiting_, kMostBody, body_);
    expect(taken.bytes <= waiting_.size());
    expect(body_.size() <= kMostBody);
    waiting_.erase(0, taken.bytes);
    if (taken.refusal.has_value()) {
      return refuse(*taken.refusal);
    }
    if (!taken.is_done) {
      return false;
    }
    meaning += std::string_view(reinterpret_cast<const char*>(body_.bytes().data()), body_.size());
    is_in_chunks_ = false;
    return true;
  }

  bool refuse(const HttpRefusal& refusal) {
    expect(refusal.status >= 400 && refusal.status <= 505);
    meaning += "!";  // which limit is met first may depend on the cut; that one is met may not
    is_ended_ = true;
    return false;
  }

  HttpParser parser_{4096, 2048};
  HttpRequest request_;
  ChunkDecoder decoder_;
  HttpBody body_;
  std::string waiting_;
  size_t skip_ = 0;  // of a body of known length
  bool is_in_chunks_ = false;
  bool is_ended_ = false;
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) {
    return 0;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Connection whole;
  whole.receive(bytes);
  Connection in_two;
  const size_t cut = bytes.size() * data[0] / 256;
  if (in_two.receive(bytes.substr(0, cut))) {
    in_two.receive(bytes.substr(cut));
  }
  expect(whole.meaning == in_two.meaning);
  return 0;
}
