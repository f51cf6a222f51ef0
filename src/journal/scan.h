// Reading runs back from a journal file: for recovery, the reader, the index and `dump`.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "bytes/buffer.h"
#include "io/disk.h"
#include "journal/format.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace millrace::journal {

/// One open file of the sequence. Shared by the writer and readers; a file that a reader still
/// holds is deleted instead of recycled.
struct JournalFile {
  FileNumber number;
  uint64_t size = 0;
  std::unique_ptr<io::File> file;

  JournalFile(FileNumber its_number, uint64_t bytes, std::unique_ptr<io::File> opened)
      : number(its_number), size(bytes), file(std::move(opened)) {}

  /// For large reads at multiples of kBlock into memory aligned to it: past the page cache where
  /// the file system can, opened by the first who asks. Lives as long as this.
  const io::File& for_reading(io::Disk& disk) const;

 private:
  mutable std::once_flag opened_;
  mutable std::unique_ptr<io::File> direct_;  // null: `file` is used
};

/// A run without its payloads.
struct RunHead {
  RunHeader header;
  std::vector<FrameHeader> frames;

  /// Where frame `i`'s payload starts in the file.
  uint64_t payload_position(size_t i) const;
};

/// The header at `position`; nullopt when there is none that belongs there (own file number and
/// position), or when its run goes beyond the end of the file. Errors: kIo; kUnsupported when a
/// newer version wrote it.
Result<std::optional<RunHeader>> read_header(const JournalFile& file, uint64_t position);

/// Header and frame headers; nullopt when they are not whole and consistent. Errors: as above.
Result<std::optional<RunHead>> read_run_head(const JournalFile& file, uint64_t position);

/// The same out of memory: `bytes` are those of the file from `position` on.
Result<std::optional<RunHead>> parse_run_head(const JournalFile& file, uint64_t position,
                                              std::span<const std::byte> bytes);

/// kCorrupt, naming file, position and both CRCs, unless `payload` is that of frame `i`.
Status check_payload(const JournalFile& file, const RunHead& run, size_t i,
                     std::span<const std::byte> payload);

/// Payload of frame `i`, checked as above.
Result<bytes::Buffer> read_payload(const JournalFile& file, const RunHead& run, size_t i);

/// true when every payload of the run matches its CRC.
Result<bool> payloads_match(const JournalFile& file, const RunHead& run);

/// Every valid header of this file's own number at or after `from`, in order of position, also one
/// whose run goes beyond the end of the file.
Result<std::vector<RunHeader>> find_headers(const JournalFile& file, uint64_t from);

}  // namespace millrace::journal
