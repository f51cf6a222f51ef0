#include "kafka/protocol/frame.h"
#include "kafka/protocol/messages.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::kafka {
namespace {

using Bytes = std::vector<std::byte>;
using testing::HasSubstr;

template <typename... Values>
Bytes raw(Values... values) {
  return {static_cast<std::byte>(values)...};
}

Bytes joined(const std::vector<bytes::Buffer>& pieces) {
  Bytes all;
  for (const bytes::Buffer& piece : pieces) {
    all.insert(all.end(), piece.span().begin(), piece.span().end());
  }
  return all;
}

TEST(Wire, NullAndEmptyStringsDifferInBothForms) {
  for (const bool flexible : {false, true}) {
    Encoder out;
    out.null_string(true, flexible);
    out.string("", flexible);
    out.string("abc", flexible);
    out.null_string(false, flexible);
    const Bytes bytes = joined(std::move(out).finish());
    EXPECT_EQ(bytes.size(), flexible ? 7u : 11u);
    bytes::Reader in(bytes);
    EXPECT_EQ(read_nullable_string(in, flexible), std::nullopt);
    EXPECT_EQ(read_nullable_string(in, flexible), "");
    EXPECT_EQ(read_string(in, flexible), "abc");
    EXPECT_EQ(read_string(in, flexible), "");
    EXPECT_TRUE(in.ok());
    EXPECT_EQ(in.remaining(), 0u);
  }
}

TEST(Wire, NullWhereItMayNotBeIsRefused) {
  const Bytes minus_one = raw(255, 255, 255, 255);
  bytes::Reader text(minus_one);
  read_string(text, false);
  EXPECT_THAT(text.status("x").error().message, HasSubstr("null string"));
  bytes::Reader array(minus_one);
  EXPECT_EQ(read_length(array, false, 1), 0u);
  EXPECT_THAT(array.status("x").error().message, HasSubstr("null array"));
}

TEST(Wire, NegativeLengthsAreRefused) {
  const Bytes minus_two = raw(255, 255, 255, 254);
  bytes::Reader array(minus_two);
  read_nullable_length(array, false, 1);
  EXPECT_FALSE(array.ok());
  bytes::Reader records(minus_two);
  read_records(records, false);
  EXPECT_FALSE(records.ok());
  const Bytes short_minus_two = raw(255, 254);
  bytes::Reader text(short_minus_two);
  read_nullable_string(text, false);
  EXPECT_FALSE(text.ok());
}

TEST(Wire, AnArrayLongerThanTheMessageIsRefusedBeforeItIsMade) {
  const Bytes bytes = raw(0, 0, 0, 3, 1, 1, 1, 1, 1, 1, 1, 1);
  for (const size_t smallest : {size_t{2}, size_t{3}}) {
    bytes::Reader in(bytes);
    const size_t length = read_length(in, false, smallest);
    EXPECT_EQ(in.ok(), smallest == 2);
    EXPECT_EQ(length, smallest == 2 ? 3u : 0u);
  }
}

TEST(Wire, TagsMustBeReadToTheirEnd) {
  const auto read = [](const Bytes& bytes) {
    bytes::Reader in(bytes);
    uint8_t seen = 0;
    read_tags(in, [&](uint32_t tag, bytes::Reader& value) {
      seen = tag == 1 ? value.u8() : seen;
      return tag == 1;
    });
    return in.ok() && in.remaining() == 0 ? seen : -1;
  };
  EXPECT_EQ(read(raw(0)), 0);
  EXPECT_EQ(read(raw(1, 1, 1, 42)), 42);
  EXPECT_EQ(read(raw(2, 1, 1, 42, 9, 2, 0, 0)), 42);
  EXPECT_EQ(read(raw(1, 1, 2, 42, 0)), -1);
  EXPECT_EQ(read(raw(1, 1, 0)), -1);
  EXPECT_EQ(read(raw(1, 9, 5, 0)), -1);
  EXPECT_EQ(read(raw(255, 255, 255, 255, 15)), -1);
}

TEST(Encoder, LargeRecordPartsAreSharedNotCopied) {
  const auto part = [](size_t size) {
    return bytes::Buffer::copy_of(Bytes(size, static_cast<std::byte>(size)));
  };
  const RecordsParts records{{part(16), part(Encoder::kShareFrom), part(Encoder::kShareFrom - 1),
                              part(Encoder::kShareFrom + 1)}};
  Encoder out;
  out.be<int16_t>(1);
  out.records(records, false);
  out.be<int16_t>(2);
  const size_t size = out.size();
  EXPECT_EQ(size, 8 + records.size());
  const auto pieces = std::move(out).finish();
  ASSERT_EQ(pieces.size(), 5u);
  EXPECT_EQ(pieces[1].data(), records.parts[1].data());
  EXPECT_EQ(pieces[3].data(), records.parts[3].data());
  const Bytes all = joined(pieces);
  EXPECT_EQ(all.size(), size);
  bytes::Reader in(all);
  in.skip(2);
  const auto back = read_records(in, false);
  EXPECT_EQ(RecordsParts{{bytes::Buffer::copy_of(back->bytes)}}, records);
  EXPECT_EQ(in.be<int16_t>(), 2);
}

TEST(Encoder, TextsAreCutAtWhatTheProtocolHolds) {
  for (const bool flexible : {false, true}) {
    Encoder out;
    out.string(std::string(40000, 'x'), flexible);
    const Bytes bytes = joined(std::move(out).finish());
    bytes::Reader in(bytes);
    EXPECT_EQ(read_string(in, flexible).size(), 32767u);
    EXPECT_EQ(in.remaining(), 0u);
  }
}

TEST(Frame, HeadersFollowApiAndVersion) {
  for (const ApiRange& api : kApis) {
    for (int16_t version = api.min_version; version <= api.max_version; ++version) {
      Encoder out;
      begin_request(out, api, version, 99, "me");
      const Bytes request = joined(finish_frame(std::move(out)));
      bytes::Reader in(request);
      EXPECT_EQ(in.be<uint32_t>(), request.size() - 4);
      const RequestHeader header = decode_request_header(in).value();
      EXPECT_EQ(header.api_key, api.key);
      EXPECT_EQ(header.version, version);
      EXPECT_EQ(header.correlation_id, 99);
      EXPECT_EQ(header.client_id, "me");
      EXPECT_EQ(in.remaining(), 0u);

      Encoder answer;
      begin_response(answer, api, version, 99);
      const Bytes response = joined(finish_frame(std::move(answer)));
      bytes::Reader back(response);
      back.skip(4);
      EXPECT_EQ(decode_response_header(back, api, version).value(), 99);
      EXPECT_EQ(back.remaining(), 0u);
    }
  }
}

TEST(Frame, ApiVersionsAnswersWithTheOldHeader) {
  const ApiRange& api = *find_api(ApiKey::kApiVersions);
  EXPECT_EQ(request_header_version(api, 3), 2);
  EXPECT_EQ(response_header_version(api, 3), 0);
  EXPECT_EQ(response_header_version(*find_api(ApiKey::kMetadata), 9), 1);
}

TEST(Frame, UnsupportedVersionsStillShowTheirCorrelationId) {
  const Bytes frame = raw(0, 18, 0, 99, 0, 0, 0, 5, 1, 2, 3);
  bytes::Reader in(frame);
  const auto header = decode_request_header(in);
  ASSERT_TRUE(header.ok());
  EXPECT_FALSE(header->is_supported());
  EXPECT_EQ(header->correlation_id, 5);
  const Bytes unknown = raw(3, 231, 0, 0, 0, 0, 0, 5);
  bytes::Reader other(unknown);
  EXPECT_EQ(decode_request_header(other)->api(), nullptr);
  for (size_t size = 0; size < 8; ++size) {
    bytes::Reader cut(std::span(unknown).first(size));
    EXPECT_EQ(decode_request_header(cut).error().code, Code::kInvalid);
  }
}

TEST(Frame, ErrorsNameMessageVersionAndByte) {
  ProduceRequest request;
  const Status status = decode_message(raw(255), 9, request);
  EXPECT_THAT(status.error().message, HasSubstr("Produce request version 9: "));
  EXPECT_THAT(status.error().message, HasSubstr("at byte"));
}

}  // namespace
}  // namespace millrace::kafka
