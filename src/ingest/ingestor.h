// Writes that come as rows: decoded once, admitted, committed to the log, visible to SQL.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "broker/broker.h"
#include "columnar/decode_line_protocol.h"
#include "runtime/blocking_pool.h"
#include "runtime/deadline.h"
#include "runtime/task.h"
#include "runtime/turn.h"
#include "tables/entry.h"
#include "tables/tables.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace millrace::ingest {

/// Of a client's name for a write that it may send again.
inline constexpr size_t kMostBatchIdBytes = 128;

/// What a request says besides its rows.
struct WriteOptions {
  std::string database;
  std::optional<std::string> batch_id;
  /// Of times that are integers; nullopt: line protocol's are nanoseconds, and those of MessagePack
  /// are told by their size.
  std::optional<columnar::Precision> precision;
  runtime::Deadline deadline = runtime::Deadline::never();  // for what happens before the commit
};

/// The write is durable and visible to SQL.
struct WriteOutcome {
  size_t rows = 0;
  bool is_duplicate = false;  // the batch id was known: nothing was written again
  /// Line protocol: lines that were not taken, the first of `error_count`.
  std::vector<columnar::LineError> errors;
  size_t error_count = 0;
};

/// Counters since the process started. Read by any thread.
struct IngestCounters {
  std::atomic<uint64_t> requests{0};  // that were taken
  std::atomic<uint64_t> rows{0};
  std::atomic<uint64_t> bytes{0};  // of their payloads
  std::atomic<uint64_t> refused{0};
  std::atomic<uint64_t> duplicates{0};
  std::atomic<uint64_t> bad_lines{0};
};

/// Thread-safe; a call runs on its caller's shard. Also the broker's observer: a topic's end is its
/// table's.
///
/// A request is one commit: all its rows, the schemas they need, and its batch id survive a crash
/// or none. Errors before the commit leave nothing, no topic and no table either; kOutcomeUnknown
/// alone may have written.
class Ingestor final : public broker::TopicObserver {
 public:
  /// All outlive it. `pool`: for the end of a table, which blocks.
  Ingestor(broker::Broker& broker, tables::Tables& tables, runtime::BlockingPool& pool,
           const Clock& clock);

  /// Columns or rows in MessagePack: whole and exactly, or not at all. `body` stays valid until
  /// the task has ended. Errors: kInvalid (names byte, column, row), kOverloaded (memory, disk, or
  /// batch ids: nothing was written), kTimeout (the table is still being rebuilt), kConflict (the
  /// name is a Kafka topic's; the batch id was used for another table), and those of
  /// CommitLog::commit.
  runtime::Task<Result<WriteOutcome>> write_msgpack(std::span<const std::byte> body,
                                                    WriteOptions options);

  /// Line protocol: good lines are taken, bad ones are in the outcome. When none is good nothing is
  /// written, and that is a success with 0 rows. Errors: as above.
  runtime::Task<Result<WriteOutcome>> write_lines(std::string_view body, WriteOptions options);

  const IngestCounters& counters() const { return counters_; }

  std::vector<record::SystemFrame> frames_of_removal(const TopicId& topic) override;
  runtime::Task<void> removed(TopicId topic) override;
  bool holds(const TopicId& topic) const override;
  bool needs(const TopicId& topic, Offset end) const override;
  void let_go(const std::vector<TopicId>& topics) override;

 private:
  /// Rows of one table on their way.
  struct Part {
    tables::TableName name;
    tables::TablePtr table;
    bool is_first = false;  // nothing was committed to the table when it was opened
    columnar::ColumnBatch batch;
    tables::SchemaPtr schema;  // that the batch was admitted to
    MemoryBudget::Reservation reserved;
    tables::Entry entry;
    std::string own_payload;  // what entry.payload points to, where that is not the request's body
  };

  columnar::ArrivalTime now() const;
  Result<WriteOutcome> counted(Result<WriteOutcome> outcome, size_t bytes);
  /// What the rows change of a schema. Errors: those of columnar::admit(), naming the table.
  static Result<columnar::SchemaChange> admitted(const Part& part, const columnar::Schema& schema);
  runtime::Task<Status> open_table(Part& part, runtime::Deadline deadline);
  runtime::Task<Status> find_or_make(Part& part);
  runtime::Task<void> end_first_use(const Part& part, bool may_be_written);
  runtime::Task<Result<WriteOutcome>> try_msgpack(std::span<const std::byte> body,
                                                  WriteOptions options);
  runtime::Task<Result<WriteOutcome>> try_lines(std::string_view body, WriteOptions options,
                                                columnar::ArrivalTime arrival);
  runtime::Task<Result<WriteOutcome>> commit(std::vector<Part> parts, WriteOptions options);
  Status check_first_use(const std::vector<Part>& parts, const std::optional<TopicPartition>& first,
                         const WriteOptions& options) const;
  runtime::Task<Result<WriteOutcome>> try_commit(std::vector<Part>& parts,
                                                 const WriteOptions& options);
  runtime::Task<Result<record::CommitOutcome>> append_with_change(std::vector<Part>& parts,
                                                                  const WriteOptions& options);
  runtime::Task<Result<record::CommitOutcome>> append(std::vector<Part>& parts,
                                                      std::vector<record::SystemFrame> frames,
                                                      const WriteOptions& options);

  broker::Broker& broker_;
  tables::Tables& tables_;
  runtime::BlockingPool& pool_;
  const Clock& clock_;
  runtime::Turn creation_;  // of topics for new tables, and their taking back
  /// Writes under way to tables that nothing was committed to yet, by the holder of the turn: the
  /// last one that is refused takes the topic back.
  std::map<TopicId, size_t> first_writes_;
  IngestCounters counters_;
};

}  // namespace millrace::ingest
