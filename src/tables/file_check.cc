#include "tables/file_check.h"

#include "bytes/buffer.h"
#include "bytes/crc32c.h"
#include "columnar/parquet_footer.h"
#include "io/disk.h"
#include "tables/unit_writer.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace millrace::tables {
namespace {

using objects::ObjectReader;

constexpr size_t kReadBytes = size_t{1} << 20;  // at once

/// Success for files from before there were checksums.
Status check_bytes(const ObjectReader& file, const std::vector<std::byte>& footer,
                   runtime::Deadline deadline, const Clock& clock) {
  std::string end(bytes::as_text(footer));
  const auto at = columnar::find_checksum(end);
  if (!at) {
    return {};
  }
  const std::string written = end.substr(*at, columnar::kNoChecksum.size());
  end.replace(*at, written.size(), columnar::kNoChecksum);
  uint32_t crc = 0;
  std::vector<std::byte> buffer(kReadBytes);
  const uint64_t body = file.bytes() - footer.size();
  for (uint64_t position = 0; position < body; position += buffer.size()) {
    if (deadline.has_passed(clock)) {
      return make_error(Code::kTimeout, "is not read to its end");
    }
    const std::span part = std::span(buffer).first(std::min(buffer.size(), body - position));
    MILLRACE_TRY_STATUS(file.read_at(position, part));
    crc = bytes::crc32c(part, crc);
  }
  const std::string found = fmt::format("{:08x}", bytes::crc32c(bytes::as_bytes(end), crc));
  if (found != written) {
    return make_error(Code::kCorrupt, "is damaged: its bytes have the checksum {} instead of {}",
                      found, written);
  }
  return {};
}

Status check_footer(const TableFile& file, const TopicPartition& partition,
                    const columnar::ParquetFooter& footer) {
  const std::array<std::pair<const char*, std::string>, 6> wanted = {{
      {"millrace.topic_id", partition.topic.to_string()},
      {"millrace.partition", fmt::format("{}", partition.partition)},
      {"millrace.first_offset", fmt::format("{}", file.first)},
      {"millrace.next_offset", fmt::format("{}", file.next)},
      {"millrace.schema_version", fmt::format("{}", file.schema_version)},
      {"millrace.commit_id", file.commit.to_string()},
  }};
  for (const auto& [key, value] : wanted) {
    const auto found = footer.metadata.find(key);
    if (found == footer.metadata.end() || found->second != value) {
      return make_error(
          Code::kCorrupt, "is another file: its {} is {} instead of {}", key,
          found == footer.metadata.end() ? "not given" : std::string_view(found->second), value);
    }
  }
  if (footer.rows != file.rows) {
    return make_error(Code::kCorrupt, "has {} rows instead of {}", footer.rows, file.rows);
  }
  // Files from before the part was written are told apart by their rows alone.
  const auto part = footer.metadata.find(std::string(kPartKey));
  const auto name = FileName::parse(file.name);
  if (part != footer.metadata.end() && name && part->second != fmt::format("{}", name->part)) {
    return make_error(Code::kCorrupt, "is another file: part {} of its range instead of {}",
                      part->second, name->part);
  }
  return {};
}

/// "open(2) of /x: No such file" is said in fewer words.
Result<std::unique_ptr<ObjectReader>> reader_of(const std::string& name,
                                                objects::ObjectStore& store) {
  auto reader = store.read(name);
  if (!reader.ok() && reader.error().code == Code::kNotFound) {
    return make_error(Code::kNotFound, "is missing");
  }
  if (!reader.ok() && reader.error().code == Code::kIo) {
    return make_error(Code::kIo, "cannot be read: {}", reader.error().message);
  }
  return reader;
}

}  // namespace

Result<std::vector<std::byte>> footer_of(const ObjectReader& file) {
  std::vector<std::byte> tail(std::min<uint64_t>(columnar::kParquetTailBytes, file.bytes()));
  MILLRACE_TRY_STATUS(file.read_at(file.bytes() - tail.size(), tail));
  MILLRACE_TRY(const uint64_t size, columnar::footer_bytes_of(tail, file.bytes()));
  std::vector<std::byte> footer(size);
  MILLRACE_TRY_STATUS(file.read_at(file.bytes() - size, footer));
  return footer;
}

Status check_file(const TableFile& file, const TopicPartition& partition,
                  objects::ObjectStore& store, runtime::Deadline deadline, const Clock& clock) {
  MILLRACE_TRY(const auto reader, reader_of(file.name, store));
  if (reader->bytes() != file.bytes) {
    return make_error(Code::kCorrupt, "has {} bytes instead of {}", reader->bytes(), file.bytes);
  }
  MILLRACE_TRY(const auto footer, footer_of(*reader));
  MILLRACE_TRY(const auto parsed, columnar::parse_footer(footer));
  MILLRACE_TRY_STATUS(check_footer(file, partition, parsed));
  return check_bytes(*reader, footer, deadline, clock);
}

Status check_empty_file(const std::string& name, objects::ObjectStore& store) {
  MILLRACE_TRY(const auto reader, reader_of(name, store));
  MILLRACE_TRY(const auto footer, footer_of(*reader));
  MILLRACE_TRY_STATUS(columnar::parse_footer(footer));
  if (!columnar::find_checksum(bytes::as_text(footer))) {
    return make_error(Code::kCorrupt, "has no checksum");
  }
  return check_bytes(*reader, footer, runtime::Deadline::never(), system_clock());
}

bool is_made_again(const std::string& path, const TableName& table, const TopicPartition& partition,
                   const record::PartitionRange& kept, Offset in_files) {
  const auto range = offsets_named(path, table, partition);
  return range && std::max(kept.start, in_files) <= range->start && range->end <= kept.end;
}

std::optional<record::PartitionRange> offsets_named(const std::string& path, const TableName& table,
                                                    const TopicPartition& partition) {
  const auto name = FileName::parse(path);
  return name && io::parent_of(path) == folder_of(table, partition.topic)
             ? std::optional(record::PartitionRange{name->first, name->next})
             : std::nullopt;
}

void add_damage(std::string& damage, const TableFile& file, std::string_view what) {
  damage += fmt::format("{}{} {} (offsets {} to {}, {} rows)", damage.empty() ? "" : "; ",
                        file.path, what, file.first, file.next.value - 1, file.rows);
}

Error damage_of(const TableName& name, std::string_view damage) {
  return make_error(Code::kCorrupt, "table {} is damaged: {}; put the file back and restart",
                    name.to_string(), damage);
}

}  // namespace millrace::tables
