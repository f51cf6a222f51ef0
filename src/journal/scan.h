// Reading runs back from a journal file: for recovery, the reader, the index and `dump`.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "bytes/buffer.h"
#include "io/disk.h"
#include "journal/format.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace millrace::journal {

/// One open file of the sequence. Shared by the writer and readers; a file that a reader still
/// holds is deleted instead of recycled.
struct JournalFile {
  FileNumber number;
  uint64_t size = 0;
  std::unique_ptr<io::File> file;
  mutable std::atomic<uint64_t> ahead{0};  // a bit a window: asked of the disk for readers

  JournalFile(FileNumber its_number, uint64_t bytes, std::unique_ptr<io::File> opened)
      : number(its_number), size(bytes), file(std::move(opened)) {}

  /// A reader is at `position` and goes on to `end`: this window of 8 MiB (a 64th of a very large
  /// file) and the next, as far as they end before that, are asked of the disk at once, for this
  /// reader and for those of other partitions, whose batches lie between. A window is asked for
  /// again by who comes after its readers.
  void read_ahead(uint64_t position, uint64_t end) const;
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

/// Payload of frame `i`, checked. kCorrupt names file, position and both CRCs.
Result<bytes::Buffer> read_payload(const JournalFile& file, const RunHead& run, size_t i);

/// true when every payload of the run matches its CRC.
Result<bool> payloads_match(const JournalFile& file, const RunHead& run);

/// Every valid header of this file's own number at or after `from`, in order of position, also one
/// whose run goes beyond the end of the file.
Result<std::vector<RunHeader>> find_headers(const JournalFile& file, uint64_t from);

}  // namespace millrace::journal
