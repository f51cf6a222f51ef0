// A piece of a table's rows in memory: one writer appends, any number of readers look.
#pragma once

#include "base/ids.h"
#include "columnar/column_batch.h"
#include "columnar/schema.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::tables {

/// A table's columns as of one change of them; later versions only add and widen.
struct SchemaVersion {
  uint64_t version = 0;  // 0: no column yet
  columnar::Schema schema;
};

using SchemaPtr = std::shared_ptr<const SchemaVersion>;

/// Fixed memory for so many rows of one schema version. Rows never move; a row is there for readers
/// once the row count, which is published last, has passed it. One thread at a time may append
/// (its table's lock); reading takes no lock, from any thread, for as long as the pointer is held.
class HotChunk {
 public:
  /// Room for what `batch` needs and, beyond that, for `rows` rows whose strings are as long as the
  /// batch's are on average. `batch` is in the form of `schema`.
  HotChunk(SchemaPtr schema, size_t rows, const columnar::ColumnBatch& batch, Offset first);
  ~HotChunk();
  HotChunk(const HotChunk&) = delete;
  HotChunk& operator=(const HotChunk&) = delete;

  // --- the writer ---

  /// Copies the rows of the record at `offset` in. false: no room for all of them, nothing changed.
  /// `batch` is in the form of schema().
  bool append(const columnar::ColumnBatch& batch, Offset offset);

  /// Rows come in ascending time so far.
  bool is_sorted() const { return is_sorted_; }

  /// The records here: [first, next).
  Offset first() const { return first_; }

  Offset next() const { return next_; }

  // --- readers ---

  /// Rows below are immutable.
  size_t rows() const { return rows_.load(std::memory_order_acquire); }

  const SchemaPtr& schema() const { return schema_; }

  /// What a column looks like for the rows below a row count read before.
  struct View {
    columnar::ColumnType type = columnar::ColumnType::kNull;
    const std::byte* values = nullptr;  // fixed width: width_of(type) bytes a row
    const uint32_t* ends = nullptr;     // has_offsets(type): row r is text[ends[r] .. ends[r + 1])
    const char* text = nullptr;
    const uint8_t* is_valid = nullptr;  // a byte a row, 0 where there is no value; nullptr: all

    bool is_null(size_t row) const {
      return type == columnar::ColumnType::kNull || (is_valid != nullptr && is_valid[row] == 0);
    }

    std::string_view text_of(size_t row) const {
      return {text + ends[row], ends[row + 1] - ends[row]};
    }
  };

  /// `place` is the column's in schema(). Call rows() first.
  View column(size_t place) const;

  /// Times of all rows below the row count lie within, in the unit of the time column. Call rows()
  /// first.
  int64_t min_time() const { return min_time_.load(std::memory_order_relaxed); }

  int64_t max_time() const { return max_time_.load(std::memory_order_relaxed); }

  /// The column that is the rows' time.
  size_t time_column() const { return time_column_; }

  /// Memory it takes, used or not.
  size_t size_bytes() const { return size_bytes_; }

 private:
  struct Column {
    columnar::ColumnType type = columnar::ColumnType::kNull;
    std::unique_ptr<std::byte[]> values;
    std::unique_ptr<uint32_t[]> ends;
    std::unique_ptr<char[]> text;
    size_t text_capacity = 0;
    std::atomic<uint8_t*> is_valid{nullptr};  // made at the first null; owned
  };

  bool has_room(const columnar::ColumnBatch& batch) const;
  void append_column(Column& to, const columnar::Column& from, size_t at, size_t count);
  void append_validity(Column& to, const columnar::Column& from, size_t at, size_t count) const;
  void note_times(std::span<const int64_t> times);

  const SchemaPtr schema_;
  const size_t capacity_;
  const size_t time_column_;
  const Offset first_;
  Offset next_;
  std::vector<Column> columns_;
  size_t size_bytes_ = 0;
  bool is_sorted_ = true;
  std::atomic<size_t> rows_{0};
  std::atomic<int64_t> min_time_;
  std::atomic<int64_t> max_time_;
};

}  // namespace millrace::tables
