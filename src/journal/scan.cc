#include "journal/scan.h"

#include "bytes/crc32c.h"

#include <algorithm>

namespace millrace::journal {
namespace {

constexpr size_t kScanBytes = 1 << 20;

Result<std::optional<RunHeader>> parse_header(const JournalFile& file, uint64_t position,
                                              std::span<const std::byte> block) {
  if (const auto newer = newer_version_in(block)) {
    return make_error(
        Code::kUnsupported,
        "{}: written by a newer version of Millrace (journal format {}, this one reads {})",
        file.file->path(), *newer, kFormatVersion);
  }
  auto header = RunHeader::parse(block);
  if (header && (header->file != file.number || header->position != position)) {
    header.reset();  // left by an earlier life of the file, or a copy out of place
  }
  return header;
}

/// `table` begins with the run's frame headers. nullopt: they are not those of the run.
std::optional<RunHead> with_frames(const RunHeader& header, std::span<const std::byte> table) {
  table = table.first(header.table_bytes());
  if (bytes::crc32c(table) != header.frames_crc) {
    return std::nullopt;
  }
  RunHead run{header, {}};
  run.frames.reserve(header.frames);
  uint64_t length = kRunHeaderBytes + header.table_bytes();
  for (uint32_t i = 0; i < header.frames; ++i) {
    const auto frame = FrameHeader::parse(table.subspan(i * kFrameHeaderBytes, kFrameHeaderBytes));
    if (!frame.ok()) {
      return std::nullopt;
    }
    length += frame->payload_bytes;
    run.frames.push_back(*frame);
  }
  return length == header.length ? std::optional(std::move(run)) : std::nullopt;
}

}  // namespace

const io::File& JournalFile::for_reading(io::Disk& disk) const {
  std::call_once(opened_, [&] {
    auto direct = disk.open(file->path(), io::OpenMode::kRead, io::Access::kDirect);
    if (direct.ok()) {
      direct_ = *std::move(direct);
    }
  });
  return direct_ ? *direct_ : *file;
}

uint64_t RunHead::payload_position(size_t i) const {
  uint64_t position = header.position + kRunHeaderBytes + header.table_bytes();
  for (size_t before = 0; before < i; ++before) {
    position += frames[before].payload_bytes;
  }
  return position;
}

Result<std::optional<RunHeader>> read_header(const JournalFile& file, uint64_t position) {
  if (position + kBlock > file.size) {
    return std::optional<RunHeader>();
  }
  std::array<std::byte, kBlock> block{};
  MILLRACE_TRY_STATUS(file.file->read_exactly_at(position, block));
  MILLRACE_TRY(auto header, parse_header(file, position, block));
  if (header && header->end() > file.size) {
    header.reset();
  }
  return header;
}

Result<std::optional<RunHead>> read_run_head(const JournalFile& file, uint64_t position) {
  if (position + kBlock > file.size) {
    return std::optional<RunHead>();
  }
  std::array<std::byte, kBlock> block{};
  MILLRACE_TRY_STATUS(file.file->read_exactly_at(position, block));
  MILLRACE_TRY(const auto header, parse_header(file, position, block));
  if (!header || header->end() > file.size) {
    return std::optional<RunHead>();
  }
  const std::span<const std::byte> table = std::span(block).subspan(kRunHeaderBytes);
  if (header->table_bytes() <= table.size()) {
    return with_frames(*header, table);
  }
  std::vector<std::byte> large(header->table_bytes());
  MILLRACE_TRY_STATUS(file.file->read_exactly_at(position + kRunHeaderBytes, large));
  return with_frames(*header, large);
}

Result<std::optional<RunHead>> parse_run_head(const JournalFile& file, uint64_t position,
                                              std::span<const std::byte> bytes) {
  if (bytes.size() < kBlock) {
    return std::optional<RunHead>();
  }
  MILLRACE_TRY(const auto header, parse_header(file, position, bytes.first(kBlock)));
  if (!header || header->end() - position > bytes.size()) {
    return std::optional<RunHead>();
  }
  return with_frames(*header, bytes.subspan(kRunHeaderBytes));
}

Status check_payload(const JournalFile& file, const RunHead& run, size_t i,
                     std::span<const std::byte> payload) {
  const uint32_t crc = bytes::crc32c(payload);
  if (crc == run.frames[i].payload_crc) {
    return {};
  }
  return make_error(
      Code::kCorrupt,
      "{}: payload of {} bytes at {} (run {}) has CRC {:#010x}, its frame says {:#010x}",
      file.file->path(), payload.size(), run.payload_position(i), run.header.run, crc,
      run.frames[i].payload_crc);
}

Result<bytes::Buffer> read_payload(const JournalFile& file, const RunHead& run, size_t i) {
  const size_t size = run.frames[i].payload_bytes;
  auto owner = std::make_shared_for_overwrite<std::byte[]>(size);
  const std::span<std::byte> payload(owner.get(), size);
  MILLRACE_TRY_STATUS(file.file->read_exactly_at(run.payload_position(i), payload));
  MILLRACE_TRY_STATUS(check_payload(file, run, i, payload));
  return bytes::Buffer::adopt(std::move(owner), payload);
}

Result<bool> payloads_match(const JournalFile& file, const RunHead& run) {
  for (size_t i = 0; i < run.frames.size(); ++i) {
    const auto payload = read_payload(file, run, i);
    if (!payload.ok()) {
      if (payload.error().code == Code::kCorrupt) {
        return false;
      }
      return payload.error();
    }
  }
  return true;
}

Result<std::vector<RunHeader>> find_headers(const JournalFile& file, uint64_t from) {
  std::vector<RunHeader> found;
  std::vector<std::byte> chunk(kScanBytes);
  for (uint64_t at = from; at + kBlock <= file.size;) {
    const size_t count = std::min<uint64_t>(kScanBytes, (file.size - at) / kBlock * kBlock);
    MILLRACE_TRY_STATUS(file.file->read_exactly_at(at, std::span(chunk).first(count)));
    for (size_t block = 0; block < count; block += kBlock) {
      MILLRACE_TRY(const auto header,
                   parse_header(file, at + block, std::span(chunk).subspan(block, kBlock)));
      if (header) {
        found.push_back(*header);
      }
    }
    at += count;
  }
  return found;
}

}  // namespace millrace::journal
