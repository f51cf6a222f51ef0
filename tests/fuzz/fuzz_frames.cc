// What broker and tables decode from the journal's frames: entries of rows, schemas, topics,
// starts, databases. Byte 0 says which. An entry's bytes are a whole record batch, whose CRC is
// made right first, or a payload that we put into an entry.
#include "broker/start_fact.h"
#include "broker/topic.h"
#include "bytes/crc32c.h"
#include "bytes/cursor.h"
#include "fuzz.h"
#include "record/record_batch.h"
#include "tables/database_frame.h"
#include "tables/entry.h"
#include "tables/schema_frame.h"

#include <algorithm>
#include <cstdint>

using namespace millrace;  // NOLINT(google-build-using-namespace): one short file
using fuzz::expect;

namespace {

template <typename T>
bool is_whole_or_refused(const Result<T>& result) {
  if (!result.ok()) {
    expect(result.error().code == Code::kCorrupt || result.error().code == Code::kUnsupported);
  }
  return result.ok();
}

void check_rows(const Result<columnar::ColumnBatch>& rows) {
  if (is_whole_or_refused(rows)) {
    expect(columnar::is_time(rows->time().type) && rows->time().null_count == 0);
  }
}

void take_batch(std::span<const std::byte> input) {
  bytes::Writer whole;
  whole.bytes(input);
  if (input.size() >= record::kBatchHeaderSize) {
    whole.patch_be(17, bytes::crc32c(input.subspan(21)));
  }
  const auto batch = record::parse_batch(whole.view());
  if (batch.ok()) {
    check_rows(tables::decode_entry({.records = static_cast<uint32_t>(batch->header.record_count),
                                     .payload = bytes::Buffer::copy_of(whole.view())}));
  }
}

void take_payload(tables::PayloadKind kind, std::span<const std::byte> input) {
  if (input.empty()) {
    return;
  }
  const tables::Entry entry{
      .kind = kind,
      .precision = static_cast<columnar::Precision>(static_cast<unsigned>(input[0]) % 6),
      .arrival = columnar::ArrivalTime(std::chrono::microseconds(1'700'000'000'123'456)),
      .schema_version = 1,
      .payload = input.subspan(1)};
  const auto encoded = tables::encode_entry(entry);
  expect(encoded.ok() && encoded->crc == bytes::crc32c(encoded->batch.span()));
  check_rows(tables::decode_entry({.records = 1, .payload = encoded->batch}));
}

void take_schema(const record::SystemFrame& frame) {
  const auto fact = tables::schema_fact_from(frame);
  if (is_whole_or_refused(fact)) {
    const auto again = tables::schema_fact_from(tables::to_frame(*fact));
    expect(again.ok() && again->topic == fact->topic && again->name == fact->name);
    expect(again->schema->version == fact->schema->version);
    expect(again->schema->schema == fact->schema->schema);
  }
}

void take_topic(const record::SystemFrame& frame) {
  const auto topic = broker::TopicRecord::from_frame(frame);
  if (is_whole_or_refused(topic)) {
    const auto again = broker::TopicRecord::from_frame(topic->to_frame());
    expect(again.ok() && again->id == topic->id && again->name == topic->name);
    expect(again->partitions == topic->partitions && again->settings == topic->settings);
    expect(again->is_deleted == topic->is_deleted && again->created_ms == topic->created_ms);
  }
}

void take_start(const record::SystemFrame& frame) {
  const auto fact = broker::start_fact_from(frame);
  if (is_whole_or_refused(fact)) {
    expect(broker::to_frame(*fact) == frame);
  }
}

void take_database(const record::SystemFrame& frame) {
  const auto fact = tables::database_fact_from(frame);
  if (is_whole_or_refused(fact)) {
    expect(tables::to_frame(*fact) == frame);
  }
}

record::SystemFrame frame_of(record::SystemKind kind, std::span<const std::byte> input,
                             size_t key_bytes = sizeof(TopicId::bytes)) {
  const auto text = bytes::as_text(input);
  const size_t key = std::min(key_bytes, text.size());
  return {kind, false, std::string(text.substr(0, key)), std::string(text.substr(key))};
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  const auto input = fuzz::own_copy(data + 1, size - 1);
  switch (data[0] % 7) {
    case 0:
      take_batch(input);
      break;
    case 1:
      take_payload(tables::PayloadKind::kMsgpack, input);
      break;
    case 2:
      take_payload(tables::PayloadKind::kLineProtocol, input);
      break;
    case 3:
      take_schema(frame_of(record::SystemKind::kSchema, input));
      break;
    case 4:
      take_topic(frame_of(record::SystemKind::kTopic, input));
      break;
    case 5:
      take_start(frame_of(record::SystemKind::kStart, input, sizeof(TopicId::bytes) + 4));
      break;
    default:
      take_database(frame_of(record::SystemKind::kDatabase, input, 4));
  }
  return 0;
}
