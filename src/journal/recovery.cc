#include "journal/recovery.h"

#include "base/log.h"
#include "journal/cut_short.h"
#include "journal/repair.h"
#include "journal/walk.h"

#include <algorithm>
#include <cstring>

namespace millrace::journal {
namespace {

constexpr const char* kAdvice =
    "nothing was changed; put the right file back, or start with a copy of the directory";

/// What is kept of a partition, by the state and the files' index.
record::PartitionRange kept_range(const State& state, const Index& index,
                                  TopicPartition partition) {
  const Offset next = state.next_offset(partition);
  const record::PartitionRange indexed = index.range(partition);
  const bool is_kept = indexed.end != Offset{0};
  return {is_kept ? std::max(state.start(partition), indexed.start) : next, next};
}

class Recovery final : public Findings {
 public:
  Recovery(Files& files, Index& index, const RecoveryOptions& options)
      : files_(files), index_(index), options_(options) {}

  Result<Recovered> run() {
    MILLRACE_TRY_STATUS(files_.find_spares());
    MILLRACE_TRY_STATUS(open_files());
    if (list_.empty()) {
      Recovered fresh;
      fresh.is_new = true;
      fresh.tail.greatest_number = greatest_;
      MILLRACE_TRY_STATUS(ask_for_approval());
      MILLRACE_TRY_STATUS(free_unfinished());
      return fresh;
    }
    MILLRACE_TRY_STATUS(check_directory_id());
    MILLRACE_TRY_STATUS(find_start());
    MILLRACE_TRY(chain_, walk(list_, start_, from_nothing_, options_.stop));
    MILLRACE_TRY_STATUS(cut_unproven(list_, chain_));
    MILLRACE_TRY_STATUS(judge_what_is_behind());
    MILLRACE_TRY_STATUS(index_sealed_files());
    MILLRACE_TRY_STATUS(replay());
    MILLRACE_TRY_STATUS(ask_for_approval());
    return repair();
  }

  // --- Findings ---

  std::optional<DirectoryId> directory() const override {
    return directory_.is_none() ? std::nullopt : std::optional(directory_);
  }

  RunNumber last_run() const override {
    return chain_.runs.empty() ? RunNumber{0} : chain_.runs.back().header.run;
  }

  JournalPlace proven() const override {
    const auto found = std::ranges::find(chain_.runs, chain_.durable_upto,
                                         [](const RunPlace& place) { return place.header.run; });
    return found == chain_.runs.end() ? JournalPlace{}
                                      : JournalPlace{found->header.file, found->header.position,
                                                     found->header.run, found->header.crc};
  }

  Result<Presence> look_for(const JournalPlace& place) const override {
    if (list_.empty() || place.run > last_run()) {
      return Presence::kMissing;
    }
    if (place.file < list_.front()->number) {
      return Presence::kFreed;
    }
    for (const auto& file : list_) {
      if (file->number == place.file) {
        MILLRACE_TRY(const auto header, read_header(*file, place.position));
        const bool is_it = header && header->run == place.run && header->crc == place.header_crc;
        return is_it ? Presence::kHere : Presence::kMissing;
      }
    }
    return Presence::kMissing;
  }

  record::PartitionRange range(TopicPartition partition) const override {
    return kept_range(state_, index_, partition);
  }

  std::vector<record::SystemFrame> facts(record::SystemKind kind) const override {
    return state_.facts(kind);
  }

 private:
  Error damage(const JournalFile& file, uint64_t position, const std::string& what) const {
    return make_error(Code::kCorrupt, "{}: damaged at {}: {}; {}", file.file->path(), position,
                      what, kAdvice);
  }

  Status ask_for_approval() const { return options_.approve ? options_.approve(*this) : Status{}; }

  /// Files by number; the newest may be an unfinished rotation.
  Status open_files() {
    MILLRACE_TRY(const auto entries, files_.disk().list(files_.directory()));
    std::vector<FileNumber> numbers;
    for (const auto& entry : entries) {
      if (const auto number = number_of(entry.name)) {
        numbers.push_back(*number);
      }
    }
    for (const FileNumber number : numbers) {
      greatest_ = std::max(greatest_, number);
      MILLRACE_TRY(auto file, files_.open(number));
      MILLRACE_TRY(const bool is_own, holds_own_runs(*file));
      if (is_own) {
        list_.push_back(std::move(file));
        continue;
      }
      MILLRACE_TRY_STATUS(check_unfinished(*file, numbers));
      unfinished_ = number;
    }
    return {};
  }

  Result<bool> holds_own_runs(const JournalFile& file) const {
    MILLRACE_TRY(const auto first, read_header(file, 0));
    if (first) {
      return true;
    }
    MILLRACE_TRY(const auto headers, find_headers(file, 0));
    return !headers.empty();
  }

  /// An unfinished rotation is the newest file, and holds zeros or an older life.
  Status check_unfinished(const JournalFile& file, const std::vector<FileNumber>& numbers) const {
    if (file.number != numbers.back()) {
      return damage(file, 0,
                    fmt::format("no run of file {} is in it, but newer files exist", file.number));
    }
    std::array<std::byte, kBlock> block{};
    MILLRACE_TRY(const size_t read, file.file->read_at(0, block));
    const auto inside = read == kBlock ? RunHeader::parse(block) : std::nullopt;
    if (inside && inside->file >= numbers.front()) {
      return damage(
          file, 0,
          fmt::format("its name says file {}, its head says file {}", file.number, inside->file));
    }
    return check_size(file, file.size, true);
  }

  Status check_directory_id() {
    for (const auto& file : list_) {
      MILLRACE_TRY(const auto header, read_header(*file, 0));
      if (!header) {
        continue;
      }
      if (directory_.is_none()) {
        directory_ = options_.expected.value_or(header->directory);
      }
      if (header->directory != directory_) {
        return make_error(Code::kCorrupt, "{}: belongs to directory {}, this one is {}; {}",
                          file->file->path(), header->directory.to_string(), directory_.to_string(),
                          kAdvice);
      }
    }
    return {};
  }

  /// The newest file with a valid checkpoint; file 1 can do without.
  Status find_start() {
    for (size_t i = list_.size(); i-- > 0;) {
      MILLRACE_TRY(const bool is_valid, has_valid_checkpoint(*list_[i]));
      if (is_valid) {
        start_ = i;
        return {};
      }
    }
    MILLRACE_TRY(const auto first, read_header(*list_.front(), 0));
    if (!first || first->run != RunNumber{1}) {
      return damage(*list_.front(), 0, "no journal file has a valid checkpoint to start from");
    }
    start_ = 0;
    from_nothing_ = true;
    return {};
  }

  Status judge_what_is_behind() {
    MILLRACE_TRY(behind_, headers_behind(list_, chain_, options_.stop));
    for (const RunPlace& place : behind_) {
      if (place.header.durable_upto >= chain_.end.run) {
        return damage(
            *list_[chain_.end.file], chain_.end.position,
            fmt::format("run {} is not valid, but run {} at {} of {} proves that it was durable",
                        chain_.end.run, place.header.run, place.header.position,
                        list_[place.file]->file->path()));
      }
    }
    return check_sizes(list_, chain_, behind_);
  }

  /// Files before the start: from their stored index, or from their frame headers. Each must end
  /// where the chain goes on in the next file.
  Status index_sealed_files() {
    RunNumber expected;
    for (size_t i = 0; i < start_; ++i) {
      if (is_set(options_.stop)) {
        return make_error(Code::kCancelled, "stopped during recovery; nothing was changed");
      }
      MILLRACE_TRY(FileIndex index, index_of_sealed(i));
      if (expected.value != 0 && index.first_run != expected) {
        return missing(expected, index.first_run, i);
      }
      expected = next(index.last_run);
      index_.add_file(list_[i], std::move(index));
    }
    if (start_ > 0 && !chain_.runs.empty() && chain_.runs.front().header.run != expected) {
      return missing(expected, chain_.runs.front().header.run, start_);
    }
    return {};
  }

  Status missing(RunNumber from, RunNumber to, size_t before) const {
    return make_error(Code::kCorrupt, "{}: runs {} to {} are missing before {}; {}",
                      files_.directory(), from, to.value - 1, list_[before]->file->path(), kAdvice);
  }

  Result<FileIndex> index_of_sealed(size_t i) const {
    const JournalFile& file = *list_[i];
    MILLRACE_TRY(const auto first, read_header(file, 0));
    if (!first) {
      return damage(file, 0, "no run header where the file begins");
    }
    MILLRACE_TRY(const auto following, read_header(*list_[i + 1], 0));
    const auto stored = files_.disk().read_file(files_.index_path_of(file.number));
    if (stored.ok() && following) {
      auto index = FileIndex::decode(file.number, *stored);
      if (index.ok() && index->first_run == first->run &&
          index->last_crc == following->previous_crc) {
        return index->end_position <= file.size
                   ? std::move(index)
                   : damage(file, file.size,
                            fmt::format("cut short: its runs go on to {}", index->end_position));
      }
    }
    MILLRACE_TRY(FileIndex index, index_by_walking(file));
    if (following && next(index.last_run) == following->run &&
        index.last_crc != following->previous_crc) {
      return damage(file, 0,
                    fmt::format("its last run is not the one that {} goes on from",
                                list_[i + 1]->file->path()));
    }
    return index;
  }

  Result<FileIndex> index_by_walking(const JournalFile& file) const {
    FileIndex index;
    uint64_t position = 0;
    while (true) {
      MILLRACE_TRY(const auto run, read_run_head(file, position));
      if (!run || (index.last_run.value != 0 && run->header.run != next(index.last_run))) {
        return index;
      }
      index.add(*run);
      position = run->header.end();
    }
  }

  /// The state, and the index of the files walked.
  Status replay() {
    size_t file = list_.size();
    FileIndex index;
    const auto flush = [&] {
      if (file < list_.size()) {
        index_.add_file(list_[file], std::move(index));
        index = {};
      }
    };
    for (const RunPlace& place : chain_.runs) {
      if (is_set(options_.stop)) {
        return make_error(Code::kCancelled, "stopped during recovery; nothing was changed");
      }
      if (place.file != file) {
        flush();
        file = place.file;
      }
      MILLRACE_TRY(const auto run, read_run_head(*list_[file], place.header.position));
      if (!run) {
        return damage(*list_[file], place.header.position, "changed while it was read");
      }
      index.add(*run);
      const bool is_checkpoint = (place.header.flags & kCheckpointPart) != 0;
      if (!is_checkpoint || place.file == start_) {
        MILLRACE_TRY_STATUS(replay_run(*list_[file], *run));
      }
    }
    flush();
    return {};
  }

  Status replay_run(const JournalFile& file, const RunHead& run) {
    for (size_t i = 0; i < run.frames.size(); ++i) {
      const FrameHeader& frame = run.frames[i];
      if (frame.type == FrameType::kBatch) {
        auto done = state_.replay_batch(frame.partition, frame.base_offset, frame.records);
        if (!done.ok()) {
          return damage(file, run.header.position, done.error().message);
        }
        continue;
      }
      MILLRACE_TRY(const auto payload, read_payload(file, run, i));
      auto system = record::SystemFrame::decode(payload);
      if (!system.ok()) {
        return std::move(system).error().within(fmt::format("{}: run {} at {}", file.file->path(),
                                                            run.header.run, run.header.position));
      }
      MILLRACE_TRY_STATUS(state_.replay(*system));
    }
    return {};
  }

  Status free_unfinished() {
    return unfinished_.value == 0 ? Status{} : files_.make_spare_of(unfinished_);
  }

  /// All is judged; from here on the disk is written.
  Result<Recovered> repair() {
    Recovered recovered;
    const TailRepair repair{list_, chain_, behind_, options_.quarantine,
                            options_.max_quarantine_bytes};
    MILLRACE_TRY(recovered.torn, cut_torn_tail(files_, repair));
    MILLRACE_TRY(recovered.runs_rewritten, rewrite_unproven(repair));
    MILLRACE_TRY_STATUS(free_unfinished());
    if (chain_.runs.empty()) {  // file 1 with a torn first run: as if new
      recovered.is_new = true;
      recovered.tail.greatest_number = greatest_;
      return recovered;
    }
    recovered.runs_walked = chain_.runs.size();
    recovered.state = std::move(state_);
    Tail& tail = recovered.tail;
    tail.directory = directory_;
    tail.file = list_[chain_.end.file];
    tail.position = chain_.end.position;
    tail.next_run = chain_.end.run;
    tail.last_synced = chain_.runs.back().header.run;
    tail.previous_crc = chain_.end.previous_crc;
    const RunHeader& last = chain_.runs.back().header;
    tail.place = {last.file, last.position, last.run, last.crc};
    tail.last_written = tail.last_synced;
    tail.written = tail.place;
    tail.greatest_number = greatest_;
    tail.checkpoint_run = checkpoint_of_newest();
    const bool has_room = tail.position + kBlock <= tail.file->size;
    tail.is_proven = !has_room && chain_.runs.back().header.frames == 0;
    return recovered;
  }

  RunNumber checkpoint_of_newest() const {
    if (chain_.end.file != start_) {
      return RunNumber{UINT64_MAX};  // its own checkpoint was not valid: the file before stays
                                     // until the next rotation
    }
    RunNumber last;
    for (const RunPlace& place : chain_.runs) {
      if ((place.header.flags & kCheckpointPart) == 0) {
        break;
      }
      last = place.header.run;
    }
    return last;
  }

  Files& files_;
  Index& index_;
  const RecoveryOptions& options_;
  FileList list_;  // files that hold runs of their own, by number
  FileNumber greatest_;
  FileNumber unfinished_;  // 0: none
  DirectoryId directory_;
  size_t start_ = 0;
  bool from_nothing_ = false;
  Chain chain_;
  std::vector<RunPlace> behind_;
  State state_;
};

}  // namespace

Result<Recovered> recover(Files& files, Index& index, const RecoveryOptions& options) {
  Recovery recovery(files, index, options);
  MILLRACE_TRY(auto recovered, recovery.run());
  for (const FileSummary& file : index.summaries()) {
    for (const auto& [partition, span] : file.partitions) {
      recovered.state.set_start(partition, index.range(partition).start);
    }
  }
  recovered.state.for_each_partition([&](TopicPartition partition) {
    const record::PartitionRange range = kept_range(recovered.state, index, partition);
    index.set_range(partition, range);
    recovered.state.set_start(partition, range.start);
  });
  return recovered;
}

}  // namespace millrace::journal
