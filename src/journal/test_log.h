// A journal on a simulated disk, for tests.
#pragma once

#include "base/check.h"
#include "base/clock.h"
#include "bytes/crc32c.h"
#include "io/simulated_disk.h"
#include "journal/files.h"
#include "journal/index.h"
#include "journal/open.h"
#include "journal/reader.h"
#include "journal/writer.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace millrace::journal {

inline TopicPartition partition_of(uint8_t topic, int32_t partition) {
  TopicPartition id;
  id.topic.bytes[15] = topic;
  id.partition = PartitionId{partition};
  return id;
}

inline record::BatchToCommit batch_of(TopicPartition partition, std::string_view text,
                                      uint32_t records = 1, int64_t timestamp_ms = 1000) {
  const auto payload = bytes::Buffer::copy_of(bytes::as_bytes(text));
  return {partition, payload, bytes::crc32c(payload), records, timestamp_ms};
}

class TestLog {
 public:
  static constexpr const char* kDirectory = "/data/journal";

  explicit TestLog(uint64_t seed = 1) : disk(seed) {
    options.writer.file_bytes = 256 << 10;
    options.writer.first_file_bytes = 256 << 10;
    options.quarantine = "/data/quarantine";
  }

  Status start() {
    writer.reset();
    index = std::make_unique<Index>();
    files = std::make_unique<Files>(disk, kDirectory);
    MILLRACE_TRY(auto opened, open_writer(*files, *index, options, clock));
    writer = std::move(opened.writer);
    report = std::move(opened.report);
    return {};
  }

  /// The process dies; what it wrote stays.
  void kill() {
    writer.reset();
    index.reset();
    files.reset();
    disk.kill();
  }

  Result<record::CommitOutcome> commit(record::CommitRequest request) {
    Pending pending;
    pending.request = std::move(request);
    Pending* queue[] = {&pending};
    writer->write(queue);
    return std::move(pending.result);
  }

  Result<record::CommitOutcome> append(TopicPartition partition, std::string_view text,
                                       uint32_t records = 1, int64_t timestamp_ms = 1000) {
    record::CommitRequest request;
    request.batches.push_back(batch_of(partition, text, records, timestamp_ms));
    return commit(std::move(request));
  }

  /// Texts of all batches from the start, "!code" where reading stops.
  std::vector<std::string> texts(TopicPartition partition) const {
    std::vector<std::string> found;
    const auto range = index->range(partition);
    for (Offset at = range.start; at < range.end;) {
      const auto batches = Reader(*index).read(partition, at, 1 << 20);
      if (!batches.ok()) {
        found.push_back("!" + std::string(name_of(batches.error().code)));
        break;
      }
      for (const auto& batch : *batches) {
        found.emplace_back(bytes::as_text(batch.payload));
        at = batch.base_offset + batch.records;
      }
    }
    return found;
  }

  std::string path(uint64_t file) const {
    return std::string(kDirectory) + "/" + file_name(FileNumber{file});
  }

  /// What an operator or a bad disk does to a file.
  void flip(const std::string& file_path, uint64_t position) {
    auto file = disk.open(file_path, io::OpenMode::kReadWrite).value();
    std::byte byte{};
    MILLRACE_CHECK(file->read_exactly_at(position, std::span(&byte, 1)).ok(), "read");
    byte ^= std::byte{0x40};
    MILLRACE_CHECK(file->write_at(position, std::span<const std::byte>(&byte, 1)).ok(), "write");
    MILLRACE_CHECK(file->sync().ok(), "sync");
  }

  /// Every file of the directory with its content, to see that nothing changed.
  std::map<std::string, std::vector<std::byte>> snapshot() {
    std::map<std::string, std::vector<std::byte>> content;
    for (const auto& entry : disk.list(kDirectory).value()) {
      content[entry.name] = disk.read_file(std::string(kDirectory) + "/" + entry.name).value();
    }
    return content;
  }

  io::SimulatedDisk disk;
  ManualClock clock;
  RecoveryOptions options;
  std::unique_ptr<Files> files;
  std::unique_ptr<Index> index;
  std::unique_ptr<Writer> writer;
  StartReport report;
};

/// Position of the run that the next commit will start.
inline uint64_t end_of_log(const TestLog& log) {
  uint64_t position = 0;
  const auto file = log.files->open(log.writer->file()).value();
  while (const auto header = read_header(*file, position).value()) {
    position = header->end();
  }
  return position;
}

}  // namespace millrace::journal
