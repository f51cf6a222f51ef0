#include "journal/cut_short.h"

#include "bytes/crc32c.h"

#include <algorithm>
#include <map>
#include <utility>

namespace millrace::journal {
namespace {

constexpr size_t kPartitionsNamed = 3;

/// First offset and the one behind the last, by partition.
using Lost = std::map<TopicPartition, std::pair<Offset, Offset>>;

/// nullopt when the frame headers are not there, or are not those of the run.
Result<std::optional<Lost>> offsets_of(const JournalFile& file, const RunHeader& header) {
  MILLRACE_TRY(const uint64_t size, file.file->size());
  const uint64_t position = header.position + kRunHeaderBytes;
  if (position + header.table_bytes() > size) {
    return std::optional<Lost>();
  }
  std::vector<std::byte> table(header.table_bytes());
  MILLRACE_TRY_STATUS(file.file->read_exactly_at(position, table));
  if (bytes::crc32c(table) != header.frames_crc) {
    return std::optional<Lost>();
  }
  Lost lost;
  for (size_t i = 0; i < header.frames; ++i) {
    const auto frame =
        FrameHeader::parse(std::span(table).subspan(i * kFrameHeaderBytes, kFrameHeaderBytes));
    if (!frame.ok() || frame->type != FrameType::kBatch) {
      continue;
    }
    const Offset end = frame->base_offset + frame->records;
    const auto [at, is_new] = lost.try_emplace(frame->partition, frame->base_offset, end);
    at->second.second = std::max(at->second.second, end);
  }
  return std::optional(std::move(lost));
}

/// What is missing of a run that goes beyond the end of its file.
Result<std::string> missing_of(const JournalFile& file, const RunHeader& header) {
  MILLRACE_TRY(const uint64_t size, file.file->size());
  MILLRACE_TRY(const auto lost, offsets_of(file, header));
  std::string text =
      fmt::format("run {} goes on to {}, the file ends at {}", header.run, header.end(), size);
  if (!lost) {
    return text;
  }
  size_t named = 0;
  for (const auto& [partition, offsets] : *lost) {
    if (named == kPartitionsNamed) {
      return text + fmt::format(", and offsets of {} more partitions", lost->size() - named);
    }
    text += fmt::format("{} offsets {} to {} of partition {} of topic {}",
                        named++ == 0 ? "; the run has" : ",", offsets.first,
                        offsets.second.value - 1, partition.partition, partition.topic.to_string());
  }
  return text;
}

/// `end`: of the runs that the file had, as far as it is known.
Error cut_short(const JournalFile& file, uint64_t position, uint64_t end, bool is_newest,
                const std::string& what) {
  // With zeros behind it, what is not whole is a torn tail, unless a later file proves it.
  const std::string or_else =
      is_newest ? fmt::format(
                      ", or, to give up what is missing, lengthen it with `truncate -s {} {}` and "
                      "start again: a run that is not whole is then moved to quarantine (should "
                      "it say that the journal is older than the catalog, only a copy of both from "
                      "one time helps)",
                      padded(std::max(end, file.size) + 1) + kBlock, file.file->path())
                : "";
  return make_error(Code::kCorrupt,
                    "{}: damaged at {}: cut short: {}; nothing was changed; put the whole file "
                    "back{}",
                    file.file->path(), position, what, or_else);
}

}  // namespace

Status check_size(const JournalFile& file, uint64_t position, bool is_newest) {
  MILLRACE_TRY(const uint64_t size, file.file->size());
  if (size != 0 && size % kBlock == 0) {
    return {};
  }
  return cut_short(file, position, size, is_newest,
                   fmt::format("it has {} bytes, a whole file has a multiple of {}", size, kBlock));
}

Status check_sizes(const FileList& files, const Chain& chain, const std::vector<RunPlace>& behind) {
  const auto is_newest = [&](size_t file) { return file + 1 == files.size(); };
  for (const RunPlace& place : behind) {
    const JournalFile& file = *files[place.file];
    if (place.header.end() > file.size) {
      MILLRACE_TRY(const std::string missing, missing_of(file, place.header));
      return cut_short(file, place.header.position, place.header.end(), is_newest(place.file),
                       missing);
    }
  }
  const ChainEnd& end = chain.end;
  for (size_t i = 0; i < files.size(); ++i) {
    const uint64_t from = i == end.file ? end.position : files[i]->size;
    MILLRACE_TRY_STATUS(check_size(*files[i], from, is_newest(i)));
  }
  if (chain.runs.empty()) {
    return {};
  }
  // Only a header-only run may be the last that its file has a block for: the writer leaves one.
  const JournalFile& last = *files[end.file];
  const RunHeader& header = chain.runs.back().header;
  const bool is_proof = header.frames == 0 && (header.flags & kCheckpointPart) == 0;
  if (end.position + kBlock > last.size && !is_proof) {
    return cut_short(last, end.position, end.position, is_newest(end.file),
                     fmt::format("no block is left for the run that proves run {}", header.run));
  }
  return {};
}

}  // namespace millrace::journal
