#include "tables/entry.h"

#include "columnar/decode_line_protocol.h"
#include "columnar/decode_msgpack.h"
#include "record/record_batch_builder.h"
#include "record/record_reader.h"

#include <charconv>
#include <optional>
#include <string>

namespace millrace::tables {
namespace {

// Header names; Kafka consumers of the topic see them.
constexpr std::string_view kDecoder = "millrace.decoder";
constexpr std::string_view kArrivalUs = "millrace.arrival_us";
constexpr std::string_view kPrecision = "millrace.precision";
constexpr std::string_view kSchema = "millrace.schema_version";

static_assert(columnar::kMsgpackDecoderVersion == 2 && columnar::kLineProtocolDecoderVersion == 1);
constexpr std::string_view kMsgpack1 = "msgpack/1";
constexpr std::string_view kMsgpack = "msgpack/2";
constexpr std::string_view kLine = "line/1";

struct Headers {
  std::string_view decoder;
  int64_t arrival_us = 0;
  std::optional<columnar::Precision> precision;
};

std::string_view text_of(const record::Header& header) {
  return header.value ? bytes::as_text(*header.value) : std::string_view();
}

Result<Headers> headers_of(const record::Record& record) {
  Headers headers;
  bool has_arrival = false;
  for (const record::Header& header : record.headers) {
    const std::string_view text = text_of(header);
    if (header.key == kDecoder) {
      headers.decoder = text;
    } else if (header.key == kArrivalUs) {
      const auto [end, failed] =
          std::from_chars(text.data(), text.data() + text.size(), headers.arrival_us);
      has_arrival = failed == std::errc{} && end == text.data() + text.size();
    } else if (header.key == kPrecision) {
      const auto precision = columnar::parse_precision(text);
      if (!precision) {
        return make_error(Code::kCorrupt, "{} is \"{}\"", kPrecision, text);
      }
      headers.precision = precision;
    }
  }
  if (headers.decoder.empty() || !has_arrival) {
    return make_error(Code::kCorrupt, "a record without {} and {}", kDecoder, kArrivalUs);
  }
  return headers;
}

Result<columnar::ColumnBatch> decode_lines(std::string_view payload, const Headers& headers,
                                           columnar::ArrivalTime arrival) {
  MILLRACE_TRY(auto lines,
               columnar::decode_line_protocol(
                   payload, headers.precision.value_or(columnar::Precision::kNs), arrival));
  if (lines.error_count != 0 || lines.batches.size() != 1) {
    return make_error(Code::kCorrupt,
                      "{} bad lines and {} measurements in an entry of accepted ones",
                      lines.error_count, lines.batches.size());
  }
  return std::move(lines.batches.front().batch);
}

Result<columnar::ColumnBatch> decode_maps(std::span<const std::byte> payload,
                                          const Headers& headers, columnar::ArrivalTime arrival) {
  const int version = headers.decoder == kMsgpack1 ? 1 : columnar::kMsgpackDecoderVersion;
  MILLRACE_TRY(auto decoded,
               columnar::decode_msgpack(payload, {arrival, headers.precision, version}));
  if (decoded.batches.size() != 1) {
    return make_error(Code::kCorrupt, "{} measurements in an entry of one", decoded.batches.size());
  }
  return std::move(decoded.batches.front().batch);
}

Result<columnar::ColumnBatch> decode_payload(const record::Record& record) {
  MILLRACE_TRY(const Headers headers, headers_of(record));
  if (!record.value) {
    return make_error(Code::kCorrupt, "an entry without a payload");
  }
  const columnar::ArrivalTime arrival{std::chrono::microseconds(headers.arrival_us)};
  if (headers.decoder == kMsgpack || headers.decoder == kMsgpack1) {
    return decode_maps(*record.value, headers, arrival);
  }
  if (headers.decoder == kLine) {
    return decode_lines(bytes::as_text(*record.value), headers, arrival);
  }
  return make_error(Code::kUnsupported, "an entry of decoder {}, which this version does not have",
                    headers.decoder);
}

Result<columnar::ColumnBatch> rows_of(const record::StoredBatch& stored) {
  MILLRACE_TRY(const auto batch, record::parse_batch(stored.payload));
  MILLRACE_TRY(auto reader, record::RecordReader::open(batch, 0));
  record::Record record;
  if (stored.records != 1 || !reader.next(record)) {
    return make_error(Code::kCorrupt, "an entry of {} records, must be 1", stored.records);
  }
  return decode_payload(record);
}

}  // namespace

Result<EncodedEntry> encode_entry(const Entry& entry) {
  const int64_t arrival_us = entry.arrival.time_since_epoch().count();
  const std::string arrival = std::to_string(arrival_us);
  const std::string schema = std::to_string(entry.schema_version);
  const bool is_line = entry.kind == PayloadKind::kLineProtocol;
  std::vector<record::Header> headers = {
      {kDecoder, bytes::as_bytes(is_line ? kLine : kMsgpack)},
      {kArrivalUs, bytes::as_bytes(arrival)},
      {kSchema, bytes::as_bytes(schema)},
  };
  if (entry.precision) {
    headers.push_back({kPrecision, bytes::as_bytes(columnar::name_of(*entry.precision))});
  }
  record::RecordBatchBuilder builder;
  builder.add(TimestampMs(std::chrono::milliseconds(arrival_us / 1000)), std::nullopt,
              entry.payload, headers);
  EncodedEntry encoded;
  MILLRACE_TRY(encoded.batch, std::move(builder).build());
  MILLRACE_TRY(const auto header, record::parse_header(encoded.batch));
  encoded.crc = record::whole_crc({header, encoded.batch.span()});
  return encoded;
}

Result<columnar::ColumnBatch> decode_entry(const record::StoredBatch& stored) {
  auto rows = rows_of(stored);
  if (!rows.ok() && rows.error().code != Code::kUnsupported) {
    return make_error(Code::kCorrupt, "{}", rows.error().message);  // it was accepted once
  }
  return rows;
}

}  // namespace millrace::tables
