// What the end of a Parquet file of ours says of the whole.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace millrace::columnar {

/// The length of the footer, and "PAR1": the last bytes of every file.
inline constexpr size_t kParquetTailBytes = 8;

/// The key of a file's checksum in its footer, and what stands in its value's place while it is
/// taken: CRC32C over all bytes of the file, as eight hexadecimal digits.
inline constexpr std::string_view kChecksumKey = "millrace.crc32c";
inline constexpr std::string_view kNoChecksum = "00000000";

struct TimeRange {
  int64_t min_us = 0;  // since 1970 UTC; ns rounded down
  int64_t max_us = 0;  // ns rounded up
};

struct ParquetFooter {
  uint64_t rows = 0;
  std::optional<TimeRange> times;  // of the column "time"; nullopt: no statistics of it
  std::map<std::string, std::string> metadata;  // key-value pairs
};

/// How many bytes of a file its footer takes, kParquetTailBytes included; `tail` are its last ones.
/// Errors: kCorrupt (no Parquet file).
Result<uint64_t> footer_bytes_of(std::span<const std::byte> tail, uint64_t file_bytes);

/// `bytes`: the whole footer. Errors: kCorrupt (with the library's message).
Result<ParquetFooter> parse_footer(std::span<const std::byte> bytes);

/// Where the digits of the checksum stand in the footer; nullopt: a file without one.
std::optional<size_t> find_checksum(std::string_view footer);

}  // namespace millrace::columnar
