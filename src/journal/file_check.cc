#include "journal/file_check.h"

#include "bytes/crc32c.h"
#include "record/record_batch.h"

#include <algorithm>

namespace millrace::journal {
namespace {

constexpr size_t kReadBytes = size_t{4} << 20;  // of a run at once
constexpr size_t kBatchCrcFrom = 21;

/// The batch's own CRC, which clients compare: of a payload that is what was written.
std::optional<std::string> batch_damage(std::span<const std::byte> payload) {
  const auto header = record::parse_header(payload);
  if (!header.ok() || header->size() != payload.size()) {
    return std::nullopt;  // it is not looked into here
  }
  const uint32_t crc = bytes::crc32c(payload.subspan(kBatchCrcFrom));
  return crc == header->crc
             ? std::nullopt
             : std::optional(fmt::format(
                   "the record batch of {} bytes has CRC {:#010x}, its own header says {:#010x}",
                   payload.size(), crc, header->crc));
}

}  // namespace

Status PayloadReader::for_each(const JournalFile& file, const RunHead& run, const Visit& visit) {
  buffer_bytes_ = 0;
  uint64_t position = run.payload_position(0);
  for (size_t i = 0; i < run.frames.size(); ++i) {
    payload_.resize(run.frames[i].payload_bytes);
    MILLRACE_TRY_STATUS(read_at(file, run, position, payload_));
    visit(i, position, payload_, bytes::crc32c(payload_));
    position += payload_.size();
  }
  return {};
}

Status PayloadReader::read_at(const JournalFile& file, const RunHead& run, uint64_t position,
                              std::span<std::byte> out) {
  if (out.size() > kReadBytes) {
    return file.file->read_exactly_at(position, out);
  }
  if (position < buffer_at_ || buffer_bytes_ == 0 ||
      position + out.size() > buffer_at_ + buffer_bytes_) {
    buffer_.resize(kReadBytes);
    buffer_at_ = position;
    buffer_bytes_ =
        std::min<uint64_t>(kReadBytes, run.header.position + run.header.length - position);
    MILLRACE_TRY_STATUS(
        file.file->read_exactly_at(position, std::span(buffer_).first(buffer_bytes_)));
  }
  std::copy_n(buffer_.begin() + static_cast<ptrdiff_t>(position - buffer_at_), out.size(),
              out.begin());
  return {};
}

std::string payload_damage(const RunHead& run, size_t i, uint32_t crc) {
  const bool is_checkpoint = (run.header.flags & kCheckpointPart) != 0;
  return fmt::format(
      "the payload of {} bytes (run {}, frame {} of {}{}) has CRC {:#010x}, its frame header says "
      "{:#010x}",
      run.frames[i].payload_bytes, run.header.run, i + 1, run.frames.size(),
      is_checkpoint ? ", part of a checkpoint" : "", crc, run.frames[i].payload_crc);
}

FileCheck::FileCheck(JournalFile file, uint64_t end, uint64_t from)
    : file_(std::make_unique<JournalFile>(file.number, file.size, std::move(file.file))),
      end_(end),
      position_(from) {}

Result<FileCheck> FileCheck::open(io::Disk& disk, const std::string& path, FileNumber number,
                                  uint64_t end, uint64_t from) {
  MILLRACE_TRY(auto file, disk.open(path, io::OpenMode::kRead));
  MILLRACE_TRY(const uint64_t size, file->size());
  return FileCheck(JournalFile(number, size / kBlock * kBlock, std::move(file)), end, from);
}

uint64_t FileCheck::step(std::vector<FileDamage>& damages) {
  const uint64_t before = position_;
  const auto run = read_run_head(*file_, position_);
  Status done;
  if (!run.ok()) {
    done = run.error();
  } else if (const std::optional<RunHead>& head = *run; head) {
    done = check_run(*head, damages);
    position_ = head->header.end();
  } else {
    const auto next = pass(damages);
    done = next.ok() ? Status() : Status(next.error());
    position_ = next.ok() ? *next : end_;
  }
  if (!done.ok()) {
    damages.push_back({"unreadable", before, done.error().message, std::nullopt});
    position_ = end_;
  }
  return position_ - before;
}

Status FileCheck::check_run(const RunHead& run, std::vector<FileDamage>& damages) {
  const bool is_checkpoint = (run.header.flags & kCheckpointPart) != 0;
  return payloads_.for_each(
      *file_, run,
      [&](size_t i, uint64_t position, std::span<const std::byte> payload, uint32_t crc) {
        const FrameHeader& frame = run.frames[i];
        const bool is_batch = frame.type == FrameType::kBatch;
        const auto whose = is_batch ? std::optional(frame) : std::nullopt;
        if (crc != frame.payload_crc) {
          damages.push_back({is_checkpoint ? "checkpoint" : "payload", position,
                             payload_damage(run, i, crc), whose});
        } else if (const auto damage = is_batch ? batch_damage(payload) : std::nullopt) {
          damages.push_back({"payload", position, *damage, whose});
        }
      });
}

Result<uint64_t> FileCheck::pass(std::vector<FileDamage>& damages) const {
  MILLRACE_TRY(const auto header, read_header(*file_, position_));
  if (header) {
    damages.push_back({"frame-header", position_ + kRunHeaderBytes,
                       fmt::format("the {} frame headers of run {} at {} are damaged",
                                   header->frames, header->run, header->position),
                       std::nullopt});
    return header->end();
  }
  MILLRACE_TRY(const auto behind, find_headers(*file_, position_ + kBlock));
  const bool has_next = !behind.empty() && behind.front().position < end_;
  const uint64_t next = has_next ? behind.front().position : end_;
  damages.push_back(
      {position_ == 0 ? "checkpoint" : "run-header", position_,
       has_next ? fmt::format("no valid run header here, the next is that of run {} at {}",
                              behind.front().run, next)
                : fmt::format("no valid run header here, nor behind it; runs went on to {}", end_),
       std::nullopt});
  return next;
}

}  // namespace millrace::journal
