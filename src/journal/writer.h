// Writes runs: gathers commits, assigns offsets, writes once, syncs once where that was asked for,
// rotates files.
#pragma once

#include "base/clock.h"
#include "base/distribution.h"
#include "base/ids.h"
#include "base/result.h"
#include "io/appender.h"
#include "journal/files.h"
#include "journal/format.h"
#include "journal/index.h"
#include "journal/state.h"
#include "record/commit_log.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace millrace::journal {

struct WriterOptions {
  uint64_t file_bytes = uint64_t{256} << 20;       // of a new file; larger when one commit needs it
  uint64_t first_file_bytes = uint64_t{16} << 20;  // of the first file of a new directory
  uint64_t max_bytes = uint64_t{50} << 30;         // of all files together
  uint64_t run_bytes = uint64_t{4} << 20;  // a run gathers up to this; a larger commit goes alone
  uint64_t max_commit_bytes = uint64_t{128} << 20;
  std::chrono::milliseconds interval{100};  // after which a run of interval commits is synced
  // How runs reach the file; nullopt: the fastest, by probe(), which open_writer() asks.
  std::optional<io::AppendMethod> method = io::AppendMethod::kPageCache;
};

/// Where the log ends, as recovery found it.
struct Tail {
  DirectoryId directory;
  std::shared_ptr<JournalFile> file;
  uint64_t position = 0;  // of the next run
  RunNumber next_run{1};
  RunNumber last_written;    // 0: none
  JournalPlace written;      // of that run
  RunNumber last_synced;     // of runs up to here the sync has returned
  JournalPlace place;        // of that run
  RunNumber checkpoint_run;  // last run of the newest file's checkpoint
  uint32_t previous_crc = 0;
  FileNumber greatest_number;  // of any file ever seen
  bool is_proven = true;       // the last run carries no frames
};

inline constexpr std::array kRunBytesBounds{4096.0,    16384.0,   65536.0,    262144.0,
                                            1048576.0, 4194304.0, 16777216.0, 67108864.0};
inline constexpr std::array kRunRecordsBounds{0.0,    1.0,    4.0,     16.0,    64.0,    256.0,
                                              1024.0, 4096.0, 16384.0, 65536.0, 262144.0};

/// Counters since the process started. Read by any thread. Times are seconds.
struct WriterCounters {
  Distribution run_bytes{kRunBytesBounds};
  Distribution run_records{kRunRecordsBounds};
  Distribution wait{kSecondsBounds};    // of each commit, until its run was begun
  Distribution gather{kSecondsBounds};  // of each run: offsets, frames
  Distribution write{kSecondsBounds};   // to the system
  Distribution sync{kSecondsBounds};    // to the disk
  std::atomic<uint64_t> in_flight{0};   // runs between their write and the end of their sync
  std::atomic<uint64_t> runs{0};
  std::atomic<uint64_t> unsynced_bytes{0};  // of runs that were acknowledged, now
  std::atomic<uint64_t> frames{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> rotations{0};
  std::atomic<uint64_t> files_freed{0};
  std::atomic<uint64_t> refused{0};  // commits, for want of room
};

/// One commit on its way.
struct Pending {
  record::CommitRequest request;
  std::optional<std::chrono::steady_clock::time_point> queued = {};  // when it began to wait
  Result<record::CommitOutcome> result = make_error(Code::kOutcomeUnknown, "not answered");
};

/// Used by one thread; `index` and `files` by others too. All outlive the writer.
class Writer {
 public:
  /// At the end of each file, at most a sixteenth of it, for commits that make room.
  static constexpr uint64_t kReserveBytes = uint64_t{64} << 10;
  /// Offsets that a reservation takes ahead: one sync in so many records, and as many offsets
  /// unused after an unclean end.
  static constexpr int64_t kReserveOffsets = int64_t{1} << 20;

  /// Where the file system has no such method, runs go by the page cache. Errors: kIo, kOverloaded.
  static Result<std::unique_ptr<Writer>> open(Files& files, Index& index, State state, Tail tail,
                                              WriterOptions options, const Clock& clock);

  /// Writes the first `n` >= 1 of `queue` as one run and returns n; their results are set when it
  /// returns, as durable as they ask for where they are values. Errors as
  /// record::CommitLog::commit.
  size_t write(std::span<Pending* const> queue);

  /// Makes all that was written durable. Poisons on failure.
  Status sync();

  /// When sync() is due so that a run of interval commits is durable in time; nullopt: all is.
  std::optional<std::chrono::steady_clock::time_point> sync_due() const;

  /// A header-only run, if the last run is not proven by one yet: after 1 s of idleness, and after
  /// recovery. Poisons on failure.
  Status prove();

  /// A clean stop: gives back the offsets that were reserved and not used, and proves the last run.
  Status finish();

  /// After recovery, before the first write: takes the offsets that were reserved out of use, with
  /// fillers. Returns them. Errors: kOverloaded (no room, nor for what makes room),
  /// kOutcomeUnknown.
  Result<std::vector<State::Gap>> fill_gaps();

  /// Removes files below `number`, as far as the rule of the proven checkpoint allows, and retires
  /// them.
  void free_below(FileNumber number);

  /// What a commit takes in a run, at most.
  static uint64_t footprint(const record::CommitRequest& request);

  bool is_poisoned() const { return is_poisoned_.load(); }

  /// kOverloaded (what is full, used and allowed bytes, what helps) when the last commit that does
  /// not make room was refused, or the next would be. Any thread.
  std::optional<Error> full() const;

  /// What failed. Valid once is_poisoned().
  const std::string& poison_cause() const { return poison_cause_; }

  const State& state() const { return state_; }

  const WriterCounters& counters() const { return counters_; }

  FileNumber file() const { return tail_.file->number; }

  RunNumber last_written() const { return tail_.last_written; }

  RunNumber last_synced() const { return tail_.last_synced; }

  /// The last run that is durable.
  const JournalPlace& place() const { return tail_.place; }

  /// The very first file of a directory, with a checkpoint of `state`, which a new directory has
  /// empty.
  static Result<Tail> create(Files& files, Index& index, const DirectoryId& directory,
                             FileNumber number, const WriterOptions& options, State state = {});

 private:
  Writer(Files& files, Index& index, State state, Tail tail, WriterOptions options,
         const Clock& clock);

  /// The frames of the run being made.
  struct Run {
    std::vector<FrameHeader> frames;
    std::vector<bytes::Buffer> payloads;
    uint64_t payload_bytes = 0;
    bool is_synced = false;  // before it is acknowledged

    void add(const FrameHeader& frame, bytes::Buffer payload);
    void add(const record::SystemFrame& system);

    uint64_t length() const {
      return kRunHeaderBytes + frames.size() * kFrameHeaderBytes + payload_bytes;
    }
  };

  Status open_tail();
  Status open_tail(io::AppendMethod method);
  int64_t id_time_ms() const;
  static uint64_t footprint(const record::SystemFrame& frame);
  std::optional<Error> refusal(const Pending& pending) const;
  size_t choose(std::span<Pending* const> queue, uint64_t& bytes) const;
  std::vector<Pending*> give_room(std::span<Pending* const> chosen, uint64_t bytes);
  bool fits(uint64_t length, bool makes_room) const;
  Status make_room(uint64_t length, bool makes_room);
  bool is_within_budget(uint64_t bytes) const;
  Error no_room_for(uint64_t bytes) const;
  Status rotate(uint64_t length, bool makes_room);
  Status write_checkpoint();
  /// What write_checkpoint() takes at most.
  static uint64_t checkpoint_bytes(const State& state, const WriterOptions& options);
  void admit(Pending& pending, Run& run, int64_t now_ms);
  Offset add(const record::BatchToCommit& batch, Run& run);
  void reserve(TopicPartition partition, Run& run);
  template <typename Item, typename Add>
  Status write_items(std::span<const Item> items, uint64_t bytes, Add&& add);
  bool is_sync_due() const;
  Status write_run(const Run& run, uint32_t flags);
  Status hand_over(std::span<const io::ConstBytes> run);
  Status sync_out();
  Error poison(const Error& cause);

  Files& files_;
  Index& index_;
  State state_;
  Tail tail_;
  std::unique_ptr<io::Appender> out_;  // to the tail's file, at its position
  const WriterOptions options_;
  const Clock& clock_;
  const int64_t ids_began_ms_;
  const std::chrono::steady_clock::time_point opened_;
  std::string poison_cause_;  // written once, before is_poisoned_
  std::atomic<bool> is_poisoned_{false};
  std::optional<std::chrono::steady_clock::time_point> unsynced_since_;  // of the oldest such run
  std::atomic<uint64_t> missing_bytes_{0};  // of a file that cannot be begun; 0: not full
  WriterCounters counters_;
};

}  // namespace millrace::journal
