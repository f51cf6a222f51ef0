// Kafka request frames (without their length) of every API and version: no crash, no read out of
// bounds, and what was understood is written and read back alike. The same bytes are also read as a
// response, as our own client would.
#include "fuzz.h"
#include "kafka/protocol/encoded.h"
#include "kafka/protocol/frame.h"
#include "kafka/protocol/messages.h"

#include <cstdint>
#include <memory>

using namespace millrace;         // NOLINT(google-build-using-namespace): one short file
using namespace millrace::kafka;  // NOLINT(google-build-using-namespace)

namespace {

template <typename Message>
void there_and_back(std::span<const std::byte> body, int16_t version) {
  Message first;
  if (!decode_message(body, version, first).ok()) {
    return;
  }
  const std::vector<std::byte> bytes = encoded(version, first);
  Message second;
  fuzz::expect(decode_message(bytes, version, second).ok() && first == second);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto frame = fuzz::own_copy(data, size);
  bytes::Reader in(frame);
  const auto header = decode_request_header(in);
  if (!header.ok() || !header->is_supported()) {
    return 0;
  }
  const auto body = std::span(frame).subspan(in.position());
  for_each_api([&]<typename Request, typename Response>() {
    if (Request::kApiKey == header->api_key) {
      there_and_back<Request>(body, header->version);
      there_and_back<Response>(body, header->version);
    }
  });
  return 0;
}
