// Frames: a length, a header, a message. Kafka protocol guide, "Protocol Primitives" and "Headers".
#pragma once

#include "base/result.h"
#include "bytes/buffer.h"
#include "bytes/cursor.h"
#include "kafka/protocol/versions.h"
#include "kafka/protocol/wire.h"

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::kafka {

struct RequestHeader {
  ApiKey api_key{};
  int16_t version = 0;
  int32_t correlation_id = 0;
  std::optional<std::string_view> client_id;  // a view into the frame

  /// The table's entry; nullptr for an API that this broker does not speak.
  const ApiRange* api() const { return find_api(api_key); }

  /// Only then the body may be decoded. ApiVersions in another version is answered in version 0
  /// with UNSUPPORTED_VERSION (KIP-511).
  bool is_supported() const { return api() != nullptr && api()->has(version); }
};

/// Reads the header of a request, `in` standing after the frame's length. Of an API or version that
/// is not supported it reads the first 8 bytes only: key, version and correlation id have the same
/// place in all versions. Errors: kInvalid (truncated, damaged).
Result<RequestHeader> decode_request_header(bytes::Reader& in);

/// Reads the header of the response to a request of this API and version: the correlation id.
/// Errors: kInvalid.
Result<int32_t> decode_response_header(bytes::Reader& in, const ApiRange& api, int16_t version);

/// Reads a whole message. `version` must be one of the API's. Bytes after it are ignored, as
/// Kafka's broker does: librdkafka 2.3 and later pads a flexible Metadata request for all topics
/// with 3. Errors: kInvalid as "Produce request version 9: truncated at byte 17".
template <typename Message>
Status decode_message(std::span<const std::byte> body, int16_t version, Message& message) {
  bytes::Reader in(body);
  decode(in, version, message);
  return in.ok() ? Status() : in.status(fmt::format("{} version {}", Message::kName, version));
}

/// For the templates below: the frame's length is filled in by finish_frame().
void begin_request(Encoder& out, const ApiRange& api, int16_t version, int32_t correlation_id,
                   std::optional<std::string_view> client_id);
void begin_response(Encoder& out, const ApiRange& api, int16_t version, int32_t correlation_id);
std::vector<bytes::Buffer> finish_frame(Encoder&& out);

/// A whole request frame, to be sent in order. Fields that `version` lacks are left out.
template <typename Message>
std::vector<bytes::Buffer> request_frame(int16_t version, int32_t correlation_id,
                                         std::optional<std::string_view> client_id,
                                         const Message& message) {
  Encoder out;
  begin_request(out, *find_api(Message::kApiKey), version, correlation_id, client_id);
  encode(out, version, message);
  return finish_frame(std::move(out));
}

/// A whole response frame, to be sent in order; record parts of 1 KiB or more are shared, not
/// copied.
template <typename Message>
std::vector<bytes::Buffer> response_frame(int16_t version, int32_t correlation_id,
                                          const Message& message) {
  Encoder out;
  begin_response(out, *find_api(Message::kApiKey), version, correlation_id);
  encode(out, version, message);
  return finish_frame(std::move(out));
}

}  // namespace millrace::kafka
