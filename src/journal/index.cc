#include "journal/index.h"

#include "base/check.h"

#include <algorithm>

namespace millrace::journal {

void FileIndex::add(const RunHead& run) {
  if (first_run.value == 0) {
    first_run = run.header.run;
  }
  if (marks.empty() || run.header.position >= marks.back() + kChunkBytes) {
    marks.push_back(run.header.position);
  }
  last_run = run.header.run;
  last_crc = run.header.crc;
  end_position = run.header.end();
  for (const FrameHeader& frame : run.frames) {
    if (frame.type != FrameType::kBatch) {
      continue;
    }
    const auto [at, is_new] = partitions.try_emplace(frame.partition);
    PartitionSpan& span = at->second;
    if (is_new) {
      span.first = frame.base_offset;
      span.max_timestamp_ms = frame.max_timestamp_ms;
    }
    if (is_new || span.bytes_since_entry >= kSpacing) {
      span.entries.push_back({frame.base_offset, run.header.position, frame.max_timestamp_ms});
      span.bytes_since_entry = 0;
    }
    IndexEntry& entry = span.entries.back();
    entry.max_timestamp_ms = std::max(entry.max_timestamp_ms, frame.max_timestamp_ms);
    span.max_timestamp_ms = std::max(span.max_timestamp_ms, frame.max_timestamp_ms);
    span.end = frame.base_offset + frame.records;
    span.bytes += frame.payload_bytes;
    span.bytes_since_entry += frame.payload_bytes;
  }
}

void Index::add_file(std::shared_ptr<JournalFile> file, FileIndex index) {
  MutexLock lock(mutex_);
  for (const auto& [partition, span] : index.partitions) {
    const auto [at, is_new] =
        ranges_.try_emplace(partition, record::PartitionRange{span.first, span.end});
    at->second.end = std::max(at->second.end, span.end);
  }
  files_.push_back({std::move(file), std::move(index), false});
}

void Index::add_run(const RunHead& run) {
  MutexLock lock(mutex_);
  MILLRACE_CHECK(!files_.empty() && files_.back().file->number == run.header.file,
                 "run of another file");
  files_.back().index.add(run);
  for (const FrameHeader& frame : run.frames) {
    if (frame.type == FrameType::kBatch) {
      const auto [at, is_new] = ranges_.try_emplace(
          frame.partition, record::PartitionRange{frame.base_offset, frame.base_offset});
      at->second.end = frame.base_offset + frame.records;
    }
  }
}

void Index::set_range(TopicPartition partition, record::PartitionRange range) {
  MutexLock lock(mutex_);
  ranges_[partition] = range;
}

record::PartitionRange Index::range(TopicPartition partition) const {
  MutexLock lock(mutex_);
  const auto found = ranges_.find(partition);
  return found == ranges_.end() ? record::PartitionRange{} : found->second;
}

Index::Place Index::place_in(const Entry& entry, const PartitionSpan& span,
                             const IndexEntry& at) const {
  return {entry.file, at.position, entry.index.end_position, span.end};
}

std::optional<Index::Place> Index::find(TopicPartition partition, Offset offset) const {
  MutexLock lock(mutex_);
  for (const Entry& entry : files_) {
    const auto span = entry.index.partitions.find(partition);
    if (span == entry.index.partitions.end() || span->second.end <= offset) {
      continue;
    }
    if (span->second.first > offset) {
      return std::nullopt;  // below the start
    }
    const auto& entries = span->second.entries;
    const auto after =
        std::upper_bound(entries.begin(), entries.end(), offset,
                         [](Offset wanted, const IndexEntry& e) { return wanted < e.offset; });
    return place_in(entry, span->second, *std::prev(after));
  }
  return std::nullopt;
}

std::optional<Index::Place> Index::find_timestamp(TopicPartition partition, Offset from,
                                                  int64_t timestamp_ms) const {
  MutexLock lock(mutex_);
  for (const Entry& entry : files_) {
    const auto span = entry.index.partitions.find(partition);
    if (span == entry.index.partitions.end() || span->second.end <= from ||
        span->second.max_timestamp_ms < timestamp_ms) {
      continue;
    }
    const auto& entries = span->second.entries;
    for (auto at = entries.begin(); at != entries.end(); ++at) {
      const Offset end = std::next(at) == entries.end() ? span->second.end : std::next(at)->offset;
      if (at->max_timestamp_ms >= timestamp_ms && end > from) {
        return place_in(entry, span->second, *at);
      }
    }
  }
  return std::nullopt;
}

std::pair<Chunk, Chunk> Index::chunks(FileNumber file, uint64_t position) const {
  MutexLock lock(mutex_);
  const auto entry =
      std::ranges::lower_bound(files_, file, {}, [](const Entry& one) { return one.file->number; });
  if (entry == files_.end() || entry->file->number != file) {
    return {};
  }
  const auto& marks = entry->index.marks;
  const auto end_of = [&](auto mark) {
    return std::next(mark) == marks.end() ? entry->index.end_position : *std::next(mark);
  };
  const auto behind = std::ranges::upper_bound(marks, position);
  if (behind == marks.begin()) {
    return {};
  }
  const auto here = std::prev(behind);
  return {{*here, end_of(here)}, behind == marks.end() ? Chunk{} : Chunk{*behind, end_of(behind)}};
}

std::vector<Index::Sealed> Index::sealed() const {
  MutexLock lock(mutex_);
  std::vector<Sealed> sealed;
  for (size_t i = 0; i + 1 < files_.size(); ++i) {
    sealed.push_back({files_[i].file->number, files_[i].index.end_position});
  }
  return sealed;
}

bool Index::has(FileNumber number) const {
  MutexLock lock(mutex_);
  return std::ranges::any_of(files_,
                             [number](const Entry& entry) { return entry.file->number == number; });
}

std::vector<FileSummary> Index::summaries() const {
  MutexLock lock(mutex_);
  std::vector<FileSummary> summaries;
  for (const Entry& entry : files_) {
    FileSummary& summary =
        summaries.emplace_back(FileSummary{entry.file->number, entry.file->size, {}});
    for (const auto& [partition, span] : entry.index.partitions) {
      summary.partitions[partition] = {span.first, span.end, span.max_timestamp_ms,
                                       span.bytes, {},       0};
    }
  }
  return summaries;
}

bool Index::is_newest_beyond(uint64_t max_bytes) const {
  MutexLock lock(mutex_);
  return files_.size() > 1 && files_.back().index.partitions.empty() && bytes_locked() > max_bytes;
}

uint64_t Index::total_bytes() const {
  MutexLock lock(mutex_);
  return bytes_locked();
}

uint64_t Index::bytes_locked() const {
  uint64_t bytes = 0;
  for (const Entry& entry : files_) {
    bytes += entry.file->size;
  }
  return bytes;
}

std::vector<std::pair<std::shared_ptr<JournalFile>, bytes::Buffer>> Index::encode_unstored() {
  MutexLock lock(mutex_);
  std::vector<std::pair<std::shared_ptr<JournalFile>, bytes::Buffer>> stored;
  for (size_t i = 0; i + 1 < files_.size(); ++i) {
    if (!files_[i].is_stored) {
      files_[i].is_stored = true;
      stored.emplace_back(files_[i].file, files_[i].index.encode(files_[i].file->number));
    }
  }
  return stored;
}

Index::Dropped Index::drop_below(FileNumber number) {
  MutexLock lock(mutex_);
  Dropped dropped;
  std::vector<TopicPartition> touched;
  while (files_.size() > 1 && files_.front().file->number < number) {
    for (const auto& [partition, span] : files_.front().index.partitions) {
      touched.push_back(partition);
    }
    dropped.files.push_back(std::move(files_.front().file));
    files_.pop_front();
  }
  for (const TopicPartition& partition : touched) {
    record::PartitionRange& range = ranges_[partition];
    Offset start = range.end;
    for (const Entry& entry : files_) {
      if (const auto span = entry.index.partitions.find(partition);
          span != entry.index.partitions.end()) {
        start = span->second.first;
        break;
      }
    }
    range.start = std::max(range.start, start);
    dropped.starts.emplace_back(partition, range.start);
  }
  return dropped;
}

}  // namespace millrace::journal
