#include "cli/dump_lines.h"

#include "record/record_batch.h"

#include <nlohmann/json.hpp>

#include <cstdio>

namespace millrace::cli {
namespace {

constexpr size_t kMaxBatchContent = size_t{1} << 30;  // decompressed, for --records

}  // namespace

void DumpLines::print(const nlohmann::ordered_json& described) const {
  const std::string line = wishes_.as_json ? to_json_line(described) : to_text_line(described);
  std::printf("%s\n", line.c_str());
}

void DumpLines::damage(const std::string& what) {
  print({{"type", "damage"}, {"error", what}});
  ++damaged_;
}

void DumpLines::batch(const journal::FrameHeader& frame, std::span<const std::byte> payload) {
  print(describe_batch(frame, payload, names_));
  if (!wishes_.with_records) {
    return;
  }
  if (const Status walked = records(frame, payload); !walked.ok()) {
    damage(walked.error().message);
  }
}

Status DumpLines::records(const journal::FrameHeader& frame,
                          std::span<const std::byte> payload) const {
  MILLRACE_TRY(auto header, record::parse_header(payload));
  header.base_offset = frame.base_offset;  // the batch's own is what the producer wrote
  MILLRACE_TRY(auto reader, record::RecordReader::open({header, payload}, kMaxBatchContent));
  record::Record record;
  while (reader.next(record)) {
    print(describe_record(record));
  }
  return reader.status();
}

}  // namespace millrace::cli
