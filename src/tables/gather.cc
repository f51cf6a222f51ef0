#include "tables/gather.h"

#include "base/check.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace millrace::tables {
namespace {

using columnar::Column;
using columnar::ColumnType;
using columnar::has_offsets;
using columnar::width_of;
using View = HotChunk::View;

struct Key {
  int64_t time;
  uint32_t chunk;
  uint32_t row;
};

std::span<const int64_t> times_of(const HotChunk& chunk) {
  const size_t rows = chunk.rows();
  return {reinterpret_cast<const int64_t*>(chunk.column(chunk.time_column()).values), rows};
}

/// Chunks of one unit may have microseconds and nanoseconds: both as nanoseconds where all fit, and
/// they do, since the unit's schema has nanoseconds then.
int64_t factor_of(const FlushUnit& unit, const HotChunk& chunk) {
  const size_t place = chunk.time_column();
  const bool is_same =
      chunk.schema()->schema.columns()[place].type == unit.schema->schema.columns()[place].type;
  return is_same ? 1 : 1000;
}

bool is_in_order(const FlushUnit& unit) {
  int64_t before = std::numeric_limits<int64_t>::min();
  for (const auto& chunk : unit.chunks) {
    if (chunk->rows() == 0) {
      continue;
    }
    const int64_t factor = factor_of(unit, *chunk);
    if (!chunk->is_sorted() || chunk->min_time() * factor < before) {
      return false;
    }
    before = chunk->max_time() * factor;
  }
  return true;
}

/// Copies one column's rows; `at` grows.
class ColumnGather {
 public:
  ColumnGather(ColumnType type, size_t rows) : type_(type), rows_(rows) {
    if (width_of(type) > 0) {
      values_ = bytes::MutableBuffer::of_size(rows * width_of(type));
    }
    if (has_offsets(type)) {
      ends_ = bytes::MutableBuffer::of_size((rows + 1) * sizeof(int32_t));
      ends()[0] = 0;
    }
  }

  /// Room for the strings of all runs, asked for once.
  void reserve_text(size_t bytes) { values_ = bytes::MutableBuffer::of_size(bytes); }

  void add_nulls(size_t count) {
    if (has_offsets(type_)) {
      std::fill_n(ends() + at_ + 1, count, static_cast<int32_t>(text_));
    } else if (type_ != ColumnType::kNull) {
      std::memset(values_.data() + at_ * width_of(type_), 0, count * width_of(type_));
    }
    for (size_t i = 0; i < count; ++i) {
      set_null(at_ + i);
    }
    at_ += count;
  }

  void add(const View& from, const RowRun& run) {
    if (from.type == ColumnType::kNull) {
      return add_nulls(run.count);
    }
    if (has_offsets(type_)) {
      add_text(from, run);
    } else if (from.type == type_ || (from.type == ColumnType::kI64 && type_ == ColumnType::kU64)) {
      const size_t width = width_of(type_);
      std::memcpy(values_.data() + at_ * width, from.values + run.row * width, run.count * width);
    } else {
      add_widened(from, run);
    }
    if (from.is_valid != nullptr) {
      for (uint32_t i = 0; i < run.count; ++i) {
        if (from.is_valid[run.row + i] == 0) {
          set_null(at_ + i);
        }
      }
    }
    at_ += run.count;
  }

  Column finish(const columnar::SchemaColumn& schema) && {
    MILLRACE_CHECK(at_ == rows_, "a column with other rows than its batch");
    Column column{.name = schema.name,
                  .type = type_,
                  .is_tag = schema.is_tag,
                  .null_count = type_ == ColumnType::kNull ? rows_ : null_count_};
    if (has_offsets(type_)) {
      column.values = std::move(values_).freeze(text_);
      column.offsets = std::move(ends_).freeze((rows_ + 1) * sizeof(int32_t));
    } else if (type_ != ColumnType::kNull) {
      column.values = std::move(values_).freeze(rows_ * width_of(type_));
    }
    if (null_count_ > 0 && type_ != ColumnType::kNull) {
      column.validity = bytes::Buffer::copy_of(validity_);
    }
    return column;
  }

 private:
  int32_t* ends() { return reinterpret_cast<int32_t*>(ends_.data()); }

  void add_text(const View& from, const RowRun& run) {
    const uint32_t begin = from.ends[run.row];
    const uint32_t end = from.ends[run.row + run.count];
    for (uint32_t i = 0; i < run.count; ++i) {
      ends()[at_ + 1 + i] = static_cast<int32_t>(text_ + (from.ends[run.row + 1 + i] - begin));
    }
    if (end > begin) {
      std::memcpy(values_.data() + text_, from.text + begin, end - begin);
    }
    text_ += end - begin;
  }

  void add_widened(const View& from, const RowRun& run) {
    const auto* in = reinterpret_cast<const int64_t*>(from.values) + run.row;
    auto* out = reinterpret_cast<int64_t*>(values_.data()) + at_;
    auto* doubles = reinterpret_cast<double*>(values_.data()) + at_;
    for (uint32_t i = 0; i < run.count; ++i) {
      if (type_ == ColumnType::kTimeNs) {
        out[i] = in[i] * 1000;
      } else if (from.type == ColumnType::kU64) {
        doubles[i] = static_cast<double>(static_cast<uint64_t>(in[i]));
      } else {
        doubles[i] = static_cast<double>(in[i]);
      }
    }
  }

  void set_null(size_t row) {
    if (validity_.empty()) {
      validity_.assign((rows_ + 7) / 8, std::byte{0xFF});
    }
    validity_[row / 8] &= ~(std::byte{1} << (row % 8));
    ++null_count_;
  }

  const ColumnType type_;
  const size_t rows_;
  size_t at_ = 0;
  size_t text_ = 0;
  size_t null_count_ = 0;
  bytes::MutableBuffer values_;
  bytes::MutableBuffer ends_;
  std::vector<std::byte> validity_;  // empty: no null yet
};

size_t text_bytes(const FlushUnit& unit, std::span<const RowRun> runs, size_t place) {
  size_t bytes = 0;
  for (const RowRun& run : runs) {
    const HotChunk& chunk = *unit.chunks[run.chunk];
    if (place < chunk.schema()->schema.columns().size()) {
      if (const View view = chunk.column(place); view.ends != nullptr) {
        bytes += view.ends[run.row + run.count] - view.ends[run.row];
      }
    }
  }
  return bytes;
}

}  // namespace

SortedRows sort_by_time(const FlushUnit& unit) {
  SortedRows sorted;
  if (is_in_order(unit)) {
    for (uint32_t i = 0; i < unit.chunks.size(); ++i) {
      if (const auto rows = static_cast<uint32_t>(unit.chunks[i]->rows()); rows > 0) {
        sorted.runs.push_back({i, 0, rows});
        sorted.rows += rows;
      }
    }
    return sorted;
  }
  std::vector<Key> keys;
  keys.reserve(unit.rows);
  for (uint32_t i = 0; i < unit.chunks.size(); ++i) {
    const int64_t factor = factor_of(unit, *unit.chunks[i]);
    uint32_t row = 0;
    for (const int64_t time : times_of(*unit.chunks[i])) {
      keys.push_back({time * factor, i, row++});
    }
  }
  std::ranges::sort(keys, [](const Key& a, const Key& b) {
    return std::tie(a.time, a.chunk, a.row) < std::tie(b.time, b.chunk, b.row);
  });
  for (const Key& key : keys) {
    RowRun* last = sorted.runs.empty() ? nullptr : &sorted.runs.back();
    if (last != nullptr && last->chunk == key.chunk && last->row + last->count == key.row) {
      ++last->count;
    } else {
      sorted.runs.push_back({key.chunk, key.row, 1});
    }
  }
  sorted.rows = keys.size();
  return sorted;
}

int64_t time_us_of(const FlushUnit& unit, uint32_t chunk, uint32_t row, Rounding rounding) {
  const HotChunk& hot = *unit.chunks[chunk];
  const int64_t time = times_of(hot)[row];
  if (hot.schema()->schema.columns()[hot.time_column()].type == ColumnType::kTimeUs) {
    return time;
  }
  const int64_t down = time / 1000 - (time % 1000 < 0 ? 1 : 0);
  return down + (rounding == Rounding::kUp && time % 1000 != 0 ? 1 : 0);
}

columnar::ColumnBatch gather(const FlushUnit& unit, std::span<const RowRun> runs) {
  columnar::ColumnBatch batch;
  for (const RowRun& run : runs) {
    batch.rows += run.count;
  }
  const auto& columns = unit.schema->schema.columns();
  for (size_t place = 0; place < columns.size(); ++place) {
    ColumnGather column(columns[place].type, batch.rows);
    if (has_offsets(columns[place].type)) {
      column.reserve_text(text_bytes(unit, runs, place));
    }
    for (const RowRun& run : runs) {
      const HotChunk& chunk = *unit.chunks[run.chunk];
      if (place < chunk.schema()->schema.columns().size()) {
        column.add(chunk.column(place), run);
      } else {
        column.add_nulls(run.count);
      }
    }
    batch.columns.push_back(std::move(column).finish(columns[place]));
  }
  batch.time_column = unit.chunks.empty() ? 0 : unit.chunks.front()->time_column();
  return batch;
}

}  // namespace millrace::tables
