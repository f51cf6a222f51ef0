#include "net/http_parser.h"

#include "net/http_head.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace millrace::net {

namespace http = boost::beast::http;
using ErrorCode = boost::beast::error_code;
using View = boost::beast::string_view;

namespace {

/// Beast's grammar of start line and fields; what they mean together is in http_head.cc.
class HeadReader final : public http::basic_parser<true> {
 public:
  explicit HeadReader(HttpRequest& request) : request_(request) {
    body_limit(boost::none);  // Beast never sees a body
    header_limit(std::numeric_limits<std::uint32_t>::max());
  }

  const HeadLine& line() const { return line_; }

 private:
  void on_request_impl(http::verb, View method, View target, int version, ErrorCode&) override {
    line_ = HeadLine{method, target, version};
  }

  void on_field_impl(http::field, View name, View value, ErrorCode&) override {
    request_.headers.push_back(HttpHeader{name, value});
  }

  void on_response_impl(int, View, int, ErrorCode&) override {}

  void on_header_impl(ErrorCode&) override {}

  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}

  std::size_t on_body_impl(View, ErrorCode&) override { return 0; }

  void on_chunk_header_impl(std::uint64_t, View, ErrorCode&) override {}

  std::size_t on_chunk_body_impl(std::uint64_t, View, ErrorCode&) override { return 0; }

  void on_finish_impl(ErrorCode&) override {}

  HttpRequest& request_;
  HeadLine line_;
};

}  // namespace

HttpParser::Head HttpParser::parse_head(std::string_view bytes, HttpRequest& into) {
  // RFC 9112 section 2.2: one empty line before a request is ignored.
  const size_t skipped = bytes.starts_with("\r\n") ? 2 : 0;
  bytes.remove_prefix(skipped);
  const HeadScan scan = scan_head(bytes.substr(0, max_head_bytes_), scanned_);
  scanned_ = scan.scanned;
  if (scan.refusal.has_value()) {
    return {0, scan.refusal};
  }
  if (scan.head_bytes == 0) {
    // Method, spaces and version are at most 32 bytes more than the target.
    if (std::min(bytes.find('\n'), bytes.size()) > max_target_bytes_ + 32) {
      return {0, HttpRefusal{414, fmt::format("the target is over {} bytes", max_target_bytes_)}};
    }
    if (bytes.size() >= max_head_bytes_) {
      return {0, HttpRefusal{431, fmt::format("the head is over {} bytes", max_head_bytes_)}};
    }
    return {};
  }
  scanned_ = 0;
  auto refusal = read_head(bytes.substr(0, scan.head_bytes), into);
  return {refusal.has_value() ? 0 : skipped + scan.head_bytes, std::move(refusal)};
}

std::optional<HttpRefusal> HttpParser::read_head(std::string_view head, HttpRequest& into) const {
  into.headers.clear();
  HeadReader reader(into);
  ErrorCode error;
  const size_t taken = reader.put(boost::asio::buffer(head.data(), head.size()), error);
  if (error == http::error::bad_version) {
    return HttpRefusal{has_http_version(head) ? 505 : 400,
                       "the version is not HTTP/1.0 or HTTP/1.1"};
  }
  if (error) {
    return HttpRefusal{400, error.message()};
  }
  if (taken != head.size() || !reader.is_header_done()) {
    return HttpRefusal{400, "the head does not end where its empty line is"};
  }
  if (reader.line().target.size() > max_target_bytes_) {
    return HttpRefusal{414, fmt::format("the target is over {} bytes", max_target_bytes_)};
  }
  return understand_head(reader.line(), into);
}

}  // namespace millrace::net
