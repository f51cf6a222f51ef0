#include "columnar/parquet_footer.h"

#include <arrow/util/key_value_metadata.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>

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
    ParquetFooter footer{.rows = static_cast<uint64_t>(file->num_rows()), .metadata = {}};
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
