#include "tables/entry.h"

#include "record/record_batch_builder.h"
#include "tables/schema_frame.h"
#include "tables/test_rows.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::tables {
namespace {

using testing::HasSubstr;

constexpr columnar::ArrivalTime kArrival{std::chrono::microseconds(1'700'000'000'123'456)};

record::StoredBatch stored(const EncodedEntry& entry) {
  return {.base_offset = Offset{5}, .records = 1, .payload = entry.batch};
}

TEST(Entry, LinesComeBackAsTheSameRows) {
  const auto entry = encode_entry({.kind = PayloadKind::kLineProtocol,
                                   .precision = columnar::Precision::kS,
                                   .arrival = kArrival,
                                   .schema_version = 3,
                                   .payload = bytes::as_bytes("m,host=a v=1.5 7\nm v=2\n")});
  const auto rows = decode_entry(stored(*entry));
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  ASSERT_EQ(rows->rows, 2U);
  const auto times = rows->time().values_as<int64_t>();
  EXPECT_EQ(times[0], 7'000'000);
  EXPECT_EQ(times[1], kArrival.time_since_epoch().count());
  EXPECT_EQ(rows->find("host")->text(0), "a");
}

TEST(Entry, MsgpackComesBackInItsPrecision) {
  // {"m": "t", "columns": {"time": [7]}}
  const std::string_view body(
      "\x82\xa1m\xa1t\xa7"
      "columns\x81\xa4time\x91\x07",
      21);
  const auto time_in = [&](std::optional<columnar::Precision> precision) {
    const auto entry = encode_entry(
        {.precision = precision, .arrival = kArrival, .payload = bytes::as_bytes(body)});
    return decode_entry(stored(*entry))->time().values_as<int64_t>()[0];
  };
  EXPECT_EQ(time_in(std::nullopt), 7'000'000);
  EXPECT_EQ(time_in(columnar::Precision::kMs), 7'000);
}

TEST(Entry, MsgpackComesBackWithTheTimeItArrived) {
  // {"m": "t", "columns": {"v": [1]}}
  const std::string_view body(
      "\x82\xa1m\xa1t\xa7"
      "columns\x81\xa1v\x91\x01",
      18);
  const auto entry = encode_entry({.arrival = kArrival, .payload = bytes::as_bytes(body)});
  const auto rows = decode_entry(stored(*entry));
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  EXPECT_EQ(rows->time().values_as<int64_t>()[0], kArrival.time_since_epoch().count());
}

record::StoredBatch with_decoder(std::string_view decoder, std::string_view payload) {
  const record::Header headers[] = {{"millrace.decoder", bytes::as_bytes(decoder)},
                                    {"millrace.arrival_us", bytes::as_bytes("1700000000123456")}};
  record::RecordBatchBuilder builder;
  builder.add(TimestampMs(), std::nullopt, bytes::as_bytes(payload), headers);
  return {.records = 1, .payload = std::move(builder).build().value()};
}

TEST(Entry, OfAnOlderDecoderGivesTheRowsThatItGaveThen) {
  // {"m": "t", "columns": {"v": ["a"]}, "tag_keys": ["v"]}
  const std::string_view columns(
      "\x83\xa1m\xa1t\xa7"
      "columns\x81\xa1v\x91\xa1"
      "a\xa8tag_keys\x91\xa1v",
      31);
  for (const bool is_old : {true, false}) {
    const auto rows = decode_entry(with_decoder(is_old ? "msgpack/1" : "msgpack/2", columns));
    ASSERT_TRUE(rows.ok()) << rows.error().message;
    EXPECT_EQ(rows->find("v")->text(0), "a");
    EXPECT_EQ(rows->find("v")->is_tag, !is_old);
  }
  // {"m": "t", "fields": {"v": 1}}
  const std::string_view row(
      "\x82\xa1m\xa1t\xa6"
      "fields\x81\xa1v\x01",
      16);
  EXPECT_EQ(decode_entry(with_decoder("msgpack/2", row))->rows, 1U);
  EXPECT_EQ(decode_entry(with_decoder("msgpack/1", row)).error().code, Code::kCorrupt);
  const auto several = decode_entry(
      with_decoder("msgpack/2", fmt::format("\x92{}{}u{}", row, row.substr(0, 4), row.substr(5))));
  EXPECT_THAT(several.error().message, HasSubstr("2 measurements in an entry of one"));
}

TEST(Entry, IsARecordBatchWithReadableHeaders) {
  const auto entry = encode_entry({.arrival = kArrival, .schema_version = 9});
  const auto batch = record::parse_batch(entry->batch);
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(entry->crc, record::whole_crc(*batch));
  EXPECT_EQ(batch->header.max_timestamp.time_since_epoch().count(), 1'700'000'000'123);
  auto reader = record::RecordReader::open(*batch, 0).value();
  record::Record record;
  ASSERT_TRUE(reader.next(record));
  std::string headers;
  for (const auto& header : record.headers) {
    headers += fmt::format("{}={};", header.key, bytes::as_text(*header.value));
  }
  EXPECT_EQ(headers,
            "millrace.decoder=msgpack/2;millrace.arrival_us=1700000000123456;"
            "millrace.schema_version=9;");
}

TEST(Entry, RefusesWhatIsNone) {
  record::RecordBatchBuilder plain;
  plain.add(TimestampMs(), std::nullopt, bytes::as_bytes("hello"), {});
  const auto without = decode_entry({.records = 1, .payload = std::move(plain).build().value()});
  EXPECT_EQ(without.error().code, Code::kCorrupt);
  EXPECT_THAT(without.error().message, HasSubstr("without millrace.decoder"));

  record::RecordBatchBuilder newer;
  const record::Header headers[] = {{"millrace.decoder", bytes::as_bytes("msgpack/3")},
                                    {"millrace.arrival_us", bytes::as_bytes("1")}};
  newer.add(TimestampMs(), std::nullopt, bytes::as_bytes("x"), headers);
  EXPECT_EQ(decode_entry({.records = 1, .payload = std::move(newer).build().value()}).error().code,
            Code::kUnsupported);

  record::RecordBatchBuilder packed({.codec = bytes::Codec::kZstd});
  packed.add(TimestampMs(), std::nullopt, bytes::as_bytes("x"), headers);
  EXPECT_EQ(decode_entry({.records = 1, .payload = std::move(packed).build().value()}).error().code,
            Code::kCorrupt);

  const auto bad = encode_entry({.kind = PayloadKind::kLineProtocol,
                                 .arrival = kArrival,
                                 .payload = bytes::as_bytes("m v=1\nnonsense\n")});
  EXPECT_EQ(decode_entry(stored(*bad)).error().code, Code::kCorrupt);
  const auto junk = encode_entry({.arrival = kArrival, .payload = bytes::as_bytes("junk")});
  EXPECT_EQ(decode_entry(stored(*junk)).error().code, Code::kCorrupt);
}

SchemaFact sample_fact() {
  SchemaFact fact;
  fact.topic.bytes = {1, 2, 3};
  fact.name = {"main", "cpu \"x\""};
  fact.schema = std::make_shared<SchemaVersion>(SchemaVersion{
      7, columnar::Schema::make(
             {{"time", columnar::ColumnType::kTimeUs, false, {.fits_ns = false}},
              {"host", columnar::ColumnType::kString, true, {}},
              {"n", columnar::ColumnType::kI64, false, {.fits_f64 = false, .has_negative = true}}})
             .value()});
  return fact;
}

TEST(SchemaFrame, ComesBackWithEveryFact) {
  const SchemaFact fact = sample_fact();
  const auto back = schema_fact_from(to_frame(fact));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->topic, fact.topic);
  EXPECT_EQ(back->name, fact.name);
  EXPECT_EQ(back->schema->version, 7U);
  EXPECT_EQ(back->schema->schema, fact.schema->schema);
}

TEST(SchemaFrame, EachTruncationIsRefused) {
  record::SystemFrame frame = to_frame(sample_fact());
  const std::string whole = frame.value;
  for (size_t size = 0; size < whole.size(); ++size) {
    frame.value = whole.substr(0, size);
    EXPECT_EQ(schema_fact_from(frame).error().code, Code::kCorrupt) << size;
  }
  frame.value = whole + "x";
  EXPECT_EQ(schema_fact_from(frame).error().code, Code::kCorrupt);
  frame.value = whole;
  frame.value[0] = 0;
  EXPECT_EQ(schema_fact_from(frame).error().code, Code::kCorrupt);
  frame.value[0] = 3;
  EXPECT_EQ(schema_fact_from(frame).error().code, Code::kUnsupported);
}

TEST(SchemaFrame, HasANewerVersionOnlyForTypesThatItNeedsItFor) {
  SchemaFact fact = sample_fact();
  record::SystemFrame frame = to_frame(fact);
  EXPECT_EQ(frame.value[0], 1);
  auto columns = fact.schema->schema.columns();
  columns.push_back({"raw", columnar::ColumnType::kBinary, false, {}});
  fact.schema = std::make_shared<SchemaVersion>(
      SchemaVersion{8, columnar::Schema::make(std::move(columns)).value()});
  frame = to_frame(fact);
  EXPECT_EQ(frame.value[0], 2);
  EXPECT_EQ(schema_fact_from(frame)->schema->schema, fact.schema->schema);
  frame.value[0] = 1;
  EXPECT_EQ(schema_fact_from(frame).error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace millrace::tables
