#include "kafka/protocol/frame.h"

namespace millrace::kafka {
namespace {

void skip_tags(bytes::Reader& in) {
  read_tags(in, [](uint32_t, bytes::Reader&) { return false; });
}

}  // namespace

Result<RequestHeader> decode_request_header(bytes::Reader& in) {
  RequestHeader header;
  header.api_key = static_cast<ApiKey>(in.be<int16_t>());
  header.version = in.be<int16_t>();
  header.correlation_id = in.be<int32_t>();
  if (in.ok() && header.is_supported()) {
    header.client_id = read_nullable_string(in, false);  // not compact in any version
    if (request_header_version(*header.api(), header.version) == 2) {
      skip_tags(in);
    }
  }
  MILLRACE_TRY_STATUS(in.status("request header"));
  return header;
}

Result<int32_t> decode_response_header(bytes::Reader& in, const ApiRange& api, int16_t version) {
  const auto correlation_id = in.be<int32_t>();
  if (response_header_version(api, version) == 1) {
    skip_tags(in);
  }
  MILLRACE_TRY_STATUS(in.status("response header"));
  return correlation_id;
}

void begin_request(Encoder& out, const ApiRange& api, int16_t version, int32_t correlation_id,
                   std::optional<std::string_view> client_id) {
  out.be<int32_t>(0);
  out.be(static_cast<int16_t>(api.key));
  out.be(version);
  out.be(correlation_id);
  if (client_id) {
    out.string(*client_id, false);
  } else {
    out.null_string(true, false);
  }
  if (request_header_version(api, version) == 2) {
    out.uvarint(0);
  }
}

void begin_response(Encoder& out, const ApiRange& api, int16_t version, int32_t correlation_id) {
  out.be<int32_t>(0);
  out.be(correlation_id);
  if (response_header_version(api, version) == 1) {
    out.uvarint(0);
  }
}

std::vector<bytes::Buffer> finish_frame(Encoder&& out) {
  out.patch(0, static_cast<int32_t>(out.size() - sizeof(int32_t)));
  return std::move(out).finish();
}

}  // namespace millrace::kafka
