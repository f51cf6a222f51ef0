#include "fsck/chain.h"

#include "broker/topic.h"
#include "bytes/cursor.h"
#include "io/disk.h"
#include "record/system_frame.h"

#include <algorithm>
#include <cstring>

namespace millrace::fsck {
namespace {

using journal::FrameHeader;
using journal::RunHeader;

constexpr const char* kPutBack = "put a good copy of the file back";

struct PartitionFact {
  TopicPartition partition;
  Offset next;
};

/// Of a checkpoint; nullopt when it is malformed.
std::optional<PartitionFact> partition_fact(const record::SystemFrame& frame) {
  bytes::Reader key(bytes::as_bytes(frame.key));
  bytes::Reader value(bytes::as_bytes(frame.value));
  PartitionFact fact;
  const auto id = key.bytes(fact.partition.topic.bytes.size());
  fact.partition.partition = PartitionId{key.le<int32_t>()};
  fact.next = Offset{value.le<int64_t>()};
  if (!key.ok() || !value.ok()) {
    return std::nullopt;
  }
  std::memcpy(fact.partition.topic.bytes.data(), id.data(), id.size());
  return fact;
}

}  // namespace

void add_touched(std::vector<Touched>& touched, TopicPartition partition, Offset first,
                 Offset next) {
  for (Touched& range : touched) {
    if (range.partition == partition && range.first <= next && first <= range.next) {
      range.first = std::min(range.first, first);
      range.next = std::max(range.next, next);
      return;
    }
  }
  touched.push_back({partition, first, next});
}

void Chain::breaks(Break found) {
  if (found.loses_runs) {
    gaps_.push_back(breaks_.size());
  }
  breaks_.push_back(std::move(found));
}

void Chain::forget_run() {
  expected_ = RunNumber{0};
  crc_.reset();
}

void Chain::pass(const std::string& file, const RunHeader& header) {
  file_ = header.file;
  path_ = file;
  end_ = header.end();
  expected_ = next(header.run);
  crc_ = header.crc;
  proven_ = std::max(proven_, header.durable_upto);
}

Finding Chain::missing(const std::string& file, const RunHeader& header) const {
  const std::string runs =
      fmt::format("runs {} to {} are missing", expected_, header.run.value - 1);
  if (header.file > next(file_)) {
    return {.problem = "missing-file",
            .file = io::parent_of(file) + "/" + journal::file_name(next(file_)),
            .what = fmt::format("is not there, {} is: {}", journal::file_name(header.file), runs),
            .advice = "put the missing file back"};
  }
  return {.problem = "missing-runs",
          .file = path_,
          .position = end_,
          .what = fmt::format("its runs end here, and run {} follows at {} of {}: {}", header.run,
                              header.position, journal::file_name(header.file), runs),
          .advice = kPutBack};
}

void Chain::take(const std::string& file, const RunHeader& header) {
  const bool is_any = expected_.value == 0;
  if (!is_any && header.run > expected_) {
    breaks({.finding = missing(file, header), .run = expected_, .loses_runs = true});
  } else if (!is_any && header.run < expected_) {
    breaks({.finding = {.problem = "run-again",
                        .file = file,
                        .position = header.position,
                        .what = fmt::format("run {} is here, where run {} belongs", header.run,
                                            expected_),
                        .advice = kPutBack},
            .run = header.run});
  } else if (crc_ && header.previous_crc != *crc_) {
    breaks(
        {.finding = {.problem = "chain",
                     .file = file,
                     .position = header.position,
                     .what = fmt::format("run {} follows a run with header CRC {:#010x}, the one "
                                         "before it has {:#010x}",
                                         header.run, header.previous_crc, *crc_),
                     .advice = kPutBack},
         .run = header.run});
  }
  pass(file, header);
}

void Chain::lose(size_t gap, TopicPartition partition, Offset first, Offset next) {
  for (; gap < gaps_.size(); ++gap) {
    add_touched(breaks_[gaps_[gap]].finding.touched, partition, first, next);
  }
}

void Chain::follow(const std::string& file, const RunHeader& header, TopicPartition partition,
                   Offset base, const char* where) {
  const auto [at, is_new] = partitions_.try_emplace(partition, Seen{base, gaps_.size()});
  Seen& seen = at->second;
  if (is_new) {
    return;
  }
  if (base > seen.next && seen.gaps < gaps_.size()) {
    lose(seen.gaps, partition, seen.next, base);
  } else if (base != seen.next) {
    const Offset first = std::min(base, seen.next);
    const Offset behind = std::max(base, seen.next);
    breaks(
        {.finding = {.problem = base > seen.next ? "offset-gap" : "offset-again",
                     .file = file,
                     .position = header.position,
                     .what = fmt::format("run {}: {} of partition {} of topic {} is at offset {}, "
                                         "and what is before it ends at {}",
                                         header.run, where, partition.partition,
                                         partition.topic.to_string(), base, seen.next),
                     .touched = {{partition, first, behind}},
                     .advice = "start with a copy of the directory"},
         .run = header.run});
  }
  seen = {base, gaps_.size()};
}

void Chain::batch(const std::string& file, const RunHeader& header, const FrameHeader& frame) {
  follow(file, header, frame.partition, frame.base_offset, "a batch");
  partitions_[frame.partition].next = frame.base_offset + frame.records;
}

void Chain::system(const std::string& file, const RunHeader& header,
                   std::span<const std::byte> payload, Report& report) {
  const auto frame = record::SystemFrame::decode(payload);
  if (!frame.ok()) {
    breaks({.finding = {.problem = "system-frame",
                        .file = file,
                        .position = header.position,
                        .what = fmt::format("run {}: {}", header.run, frame.error().message),
                        .advice = kPutBack},
            .run = header.run});
    return;
  }
  if (frame->is_removal) {
    return;
  }
  if (frame->kind == record::SystemKind::kTopic) {
    if (auto topic = broker::TopicRecord::from_frame(*frame); topic.ok()) {
      report.names[topic->id] = topic->name;
    }
  } else if (frame->kind == record::SystemKind::kPartition) {
    if (const auto fact = partition_fact(*frame)) {
      follow(file, header, fact->partition, fact->next, "the next offset in a checkpoint");
    }
  }
}

void Chain::end(const std::vector<catalog::PartitionRow>& partitions) {
  for (const catalog::PartitionRow& row : partitions) {
    const auto at = partitions_.find(row.partition);
    const Seen seen = at == partitions_.end() ? Seen{row.start} : at->second;
    if (seen.next < row.next) {
      lose(seen.gaps, row.partition, seen.next, row.next);
    }
  }
}

void Chain::judge(Report& report) {
  std::optional<Finding> torn;
  for (Break& found : breaks_) {
    if (found.is_certain || found.run <= proven_) {
      report.findings.push_back(std::move(found.finding));
    } else if (!torn) {
      torn = std::move(found.finding);
      torn->position = found.run_position ? found.run_position : torn->position;
    }
  }
  if (torn) {
    torn->kind = Kind::kLeftover;
    torn->problem = "torn-tail";
    torn->what = "torn tail, of which nothing was proven durable: " + torn->what;
    torn->touched.clear();
    torn->advice = "nothing: the next start cuts it and keeps its bytes in quarantine/";
    torn->cure = Cure::kStart;
    report.findings.push_back(*std::move(torn));
  }
}

}  // namespace millrace::fsck
