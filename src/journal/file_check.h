// Every CRC of a journal file: for who looks for damage.
#pragma once

#include "base/result.h"
#include "io/disk.h"
#include "journal/scan.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace millrace::journal {

/// Reads the payloads of runs, small ones out of one read. One thread.
class PayloadReader {
 public:
  /// Payload `i` of its run, where it stands in the file, and its CRC: to be compared with
  /// run.frames[i].payload_crc.
  using Visit = std::function<void(size_t i, uint64_t position, std::span<const std::byte> payload,
                                   uint32_t crc)>;

  /// Calls `visit` for each frame of the run. Errors: kIo; kCorrupt (the file ends before).
  Status for_each(const JournalFile& file, const RunHead& run, const Visit& visit);

 private:
  Status read_at(const JournalFile& file, const RunHead& run, uint64_t position,
                 std::span<std::byte> out);

  std::vector<std::byte> payload_;
  std::vector<std::byte> buffer_;
  uint64_t buffer_at_ = 0;
  uint64_t buffer_bytes_ = 0;  // 0: holds nothing
};

/// "the payload of 73 bytes (run 4, frame 1 of 2) has CRC .., its frame header says .."
std::string payload_damage(const RunHead& run, size_t i, uint32_t crc);

/// A place of a file that is not what was written.
struct FileDamage {
  const char* problem;  // as `millrace fsck` calls it: docs/operations.md
  uint64_t position = 0;
  std::string what;
  std::optional<FrameHeader> frame;  // of a payload
};

/// Goes through the runs of one file, which may be in use, a run a step. One thread; blocks.
class FileCheck {
 public:
  /// Runs stand in [0, end), one behind the other, all of them durable. `from`: of one of them.
  /// Errors: those of Disk::open.
  static Result<FileCheck> open(io::Disk& disk, const std::string& path, FileNumber number,
                                uint64_t end, uint64_t from = 0);

  bool is_done() const { return position_ >= end_; }

  uint64_t position() const { return position_; }

  /// The run at position(), or, where there is none, the way to the next. Adds what is wrong; a
  /// file that cannot be read is, too, and then done. Returns the bytes that it went over.
  uint64_t step(std::vector<FileDamage>& damages);

 private:
  FileCheck(JournalFile file, uint64_t end, uint64_t from);

  Status check_run(const RunHead& run, std::vector<FileDamage>& damages);
  /// Where to go on behind the place at position() that has no whole run.
  Result<uint64_t> pass(std::vector<FileDamage>& damages) const;

  std::unique_ptr<JournalFile> file_;
  uint64_t end_;
  uint64_t position_;
  PayloadReader payloads_;
};

}  // namespace millrace::journal
