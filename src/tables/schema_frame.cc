#include "tables/schema_frame.h"

#include "bytes/cursor.h"

#include <algorithm>
#include <cstring>

namespace millrace::tables {
namespace {

using columnar::ColumnType;
using columnar::SchemaColumn;
using columnar::ValueFacts;

/// Version 2 is as version 1, with types that this does not have.
constexpr uint8_t kVersion = 2;
constexpr ColumnType kLastOfVersion1 = ColumnType::kTimeNs;

enum ColumnFlags : uint8_t {
  kTag = 1,
  kFitsF64 = 2,
  kHasNegative = 4,
  kFitsI64 = 8,
  kFitsNs = 16,
};

std::string key_of(const TopicId& topic) {
  return {reinterpret_cast<const char*>(topic.bytes.data()), topic.bytes.size()};
}

void write_text(bytes::Writer& out, std::string_view text) {
  out.le(static_cast<uint16_t>(text.size()));
  out.text(text);
}

std::string read_text(bytes::Reader& in) {
  const auto size = in.le<uint16_t>();
  return std::string(bytes::as_text(in.bytes(size)));
}

uint8_t flags_of(const SchemaColumn& column) {
  const ValueFacts& facts = column.facts;
  return static_cast<uint8_t>((column.is_tag ? kTag : 0) | (facts.fits_f64 ? kFitsF64 : 0) |
                              (facts.has_negative ? kHasNegative : 0) |
                              (facts.fits_i64 ? kFitsI64 : 0) | (facts.fits_ns ? kFitsNs : 0));
}

SchemaColumn read_column(bytes::Reader& in) {
  SchemaColumn column;
  column.name = read_text(in);
  column.type = static_cast<ColumnType>(in.u8());
  const uint8_t flags = in.u8();
  column.is_tag = (flags & kTag) != 0;
  column.facts = {.fits_f64 = (flags & kFitsF64) != 0,
                  .has_negative = (flags & kHasNegative) != 0,
                  .fits_i64 = (flags & kFitsI64) != 0,
                  .fits_ns = (flags & kFitsNs) != 0};
  return column;
}

Error malformed() {
  return make_error(Code::kCorrupt, "malformed schema frame in the journal");
}

}  // namespace

record::SystemFrame to_frame(const SchemaFact& fact) {
  bytes::Writer out;
  const auto& columns = fact.schema->schema.columns();
  const bool is_version_1 = std::ranges::all_of(
      columns, [](auto type) { return type <= kLastOfVersion1; }, &SchemaColumn::type);
  out.u8(is_version_1 ? 1 : kVersion);
  out.le(fact.schema->version);
  write_text(out, fact.name.database);
  write_text(out, fact.name.measurement);
  out.le(static_cast<uint32_t>(columns.size()));
  for (const SchemaColumn& column : columns) {
    write_text(out, column.name);
    out.u8(static_cast<uint8_t>(column.type));
    out.u8(flags_of(column));
  }
  return {record::SystemKind::kSchema, false, key_of(fact.topic),
          std::string(bytes::as_text(out.view()))};
}

record::SystemFrame removal_of(const TopicId& topic) {
  return {record::SystemKind::kSchema, true, key_of(topic), ""};
}

Result<SchemaFact> schema_fact_from(const record::SystemFrame& frame) {
  bytes::Reader in(bytes::as_bytes(frame.value));
  SchemaFact fact;
  if (frame.key.size() != fact.topic.bytes.size()) {
    return malformed();
  }
  std::memcpy(fact.topic.bytes.data(), frame.key.data(), frame.key.size());
  const uint8_t version = in.u8();
  if (in.ok() && version > kVersion) {
    return make_error(Code::kUnsupported, "schema frame of version {}, this program knows {}",
                      version, kVersion);
  }
  auto schema = std::make_shared<SchemaVersion>();
  schema->version = in.le<uint64_t>();
  fact.name.database = read_text(in);
  fact.name.measurement = read_text(in);
  const auto count = in.le<uint32_t>();
  std::vector<SchemaColumn> columns;
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    columns.push_back(read_column(in));
    if (columns.back().type > (version == 1 ? kLastOfVersion1 : ColumnType::kBinary)) {
      return malformed();
    }
  }
  if (!in.ok() || in.remaining() != 0 || version == 0 || schema->version == 0 || columns.empty()) {
    return malformed();
  }
  auto made = columnar::Schema::make(std::move(columns));
  if (!made.ok() || !validate(fact.name).ok()) {
    return malformed();
  }
  schema->schema = *std::move(made);
  fact.schema = std::move(schema);
  return fact;
}

}  // namespace millrace::tables
