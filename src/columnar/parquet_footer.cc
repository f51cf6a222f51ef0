#include "columnar/parquet_footer.h"

#include "columnar/column_batch.h"

#include <arrow/util/key_value_metadata.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>
#include <parquet/statistics.h>
#include <parquet/types.h>

#include <algorithm>
#include <cstring>
#include <exception>

namespace millrace::columnar {
namespace {

constexpr std::string_view kMagic = "PAR1";

/// As the pair stands in the file (parquet.thrift KeyValue, compact protocol): behind the key comes
/// the field 2, a string of eight bytes.
std::string with_value_head(std::string_view key) {
  std::string text(key);
  text += '\x18';
  text += static_cast<char>(kNoChecksum.size());
  return text;
}

bool is_ns(const parquet::ColumnDescriptor& column) {
  const auto& type = column.logical_type();
  return type && type->is_timestamp() &&
         static_cast<const parquet::TimestampLogicalType&>(*type).time_unit() ==
             parquet::LogicalType::TimeUnit::NANOS;
}

/// May throw.
std::optional<TimeRange> times_of(const parquet::FileMetaData& file) {
  const int column = file.schema()->ColumnIndex(std::string(kTimeName));
  if (column < 0 || file.schema()->Column(column)->physical_type() != parquet::Type::INT64) {
    return std::nullopt;
  }
  std::optional<TimeRange> times;
  for (int i = 0; i < file.num_row_groups(); ++i) {
    const auto statistics = file.RowGroup(i)->ColumnChunk(column)->statistics();
    if (!statistics || !statistics->HasMinMax()) {
      return std::nullopt;
    }
    const auto& values = static_cast<const parquet::Int64Statistics&>(*statistics);
    const TimeRange here{values.min(), values.max()};
    times = times ? TimeRange{std::min(times->min_us, here.min_us),
                              std::max(times->max_us, here.max_us)}
                  : here;
  }
  if (times && is_ns(*file.schema()->Column(column))) {
    times->min_us = times->min_us / 1000 - (times->min_us % 1000 < 0 ? 1 : 0);
    times->max_us = times->max_us / 1000 + (times->max_us % 1000 > 0 ? 1 : 0);
  }
  return times;
}

}  // namespace

Result<uint64_t> footer_bytes_of(std::span<const std::byte> tail, uint64_t file_bytes) {
  if (tail.size() != kParquetTailBytes ||
      std::memcmp(tail.data() + sizeof(uint32_t), kMagic.data(), kMagic.size()) != 0) {
    return make_error(Code::kCorrupt, "does not end as a Parquet file");
  }
  uint32_t length = 0;  // little endian
  std::memcpy(&length, tail.data(), sizeof length);
  if (length + uint64_t{kParquetTailBytes} + kMagic.size() > file_bytes) {
    return make_error(Code::kCorrupt, "has a footer of {} bytes in a file of {}", length,
                      file_bytes);
  }
  return length + uint64_t{kParquetTailBytes};
}

Result<ParquetFooter> parse_footer(std::span<const std::byte> bytes) {
  try {
    const auto length = static_cast<int64_t>(bytes.size() - kParquetTailBytes);
    const auto file = parquet::FileMetaData::Make(bytes.data(), length);
    ParquetFooter footer{
        .rows = static_cast<uint64_t>(file->num_rows()), .times = times_of(*file), .metadata = {}};
    if (const auto& pairs = file->key_value_metadata()) {
      for (int64_t i = 0; i < pairs->size(); ++i) {
        footer.metadata.emplace(pairs->key(i), pairs->value(i));
      }
    }
    return footer;
  } catch (const std::exception& problem) {
    return make_error(Code::kCorrupt, "has a footer that cannot be read: {}", problem.what());
  }
}

std::optional<size_t> find_checksum(std::string_view footer) {
  const std::string wanted = with_value_head(kChecksumKey);
  const size_t found = footer.rfind(wanted);  // statistics may hold any bytes; they stand before
  if (found == std::string_view::npos ||
      found + wanted.size() + kNoChecksum.size() > footer.size()) {
    return std::nullopt;
  }
  return found + wanted.size();
}

}  // namespace millrace::columnar
