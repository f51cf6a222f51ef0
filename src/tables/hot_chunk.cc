#include "tables/hot_chunk.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace millrace::tables {
namespace {

using columnar::ColumnBatch;
using columnar::ColumnType;
using columnar::has_offsets;
using columnar::width_of;

/// Strings are addressed by 32 bits here, by 31 where they leave for Arrow.
constexpr size_t kMostTextBytes = columnar::kMostStringBytes;

}  // namespace

HotChunk::HotChunk(SchemaPtr schema, size_t rows, const ColumnBatch& batch, Offset first)
    : schema_(std::move(schema)),
      capacity_(std::max(rows, batch.rows)),
      time_column_(batch.time_column),
      first_(first),
      next_(first),
      columns_(schema_->schema.columns().size()),
      min_time_(std::numeric_limits<int64_t>::max()),
      max_time_(std::numeric_limits<int64_t>::min()) {
  for (size_t i = 0; i < columns_.size(); ++i) {
    Column& column = columns_[i];
    column.type = schema_->schema.columns()[i].type;
    const size_t width = width_of(column.type);
    if (width > 0) {
      column.values = std::make_unique_for_overwrite<std::byte[]>(capacity_ * width);
    } else if (has_offsets(column.type)) {
      const size_t given = batch.columns[i].values.size();
      const size_t average = batch.rows == 0 ? 0 : given / batch.rows + 1;
      column.text_capacity = std::min(std::max(given, average * capacity_), kMostTextBytes);
      column.text = std::make_unique_for_overwrite<char[]>(column.text_capacity);
      column.ends = std::make_unique_for_overwrite<uint32_t[]>(capacity_ + 1);
      column.ends[0] = 0;
      size_bytes_ += column.text_capacity + (capacity_ + 1) * sizeof(uint32_t);
    }
    size_bytes_ += capacity_ * width;
  }
}

HotChunk::~HotChunk() {
  for (Column& column : columns_) {
    delete[] column.is_valid.load(std::memory_order_relaxed);
  }
}

bool HotChunk::has_room(const ColumnBatch& batch) const {
  const size_t at = rows_.load(std::memory_order_relaxed);
  if (batch.rows > capacity_ - at) {
    return false;
  }
  for (size_t i = 0; i < columns_.size(); ++i) {
    const Column& column = columns_[i];
    if (has_offsets(column.type) &&
        batch.columns[i].values.size() > column.text_capacity - column.ends[at]) {
      return false;
    }
  }
  return true;
}

bool HotChunk::append(const ColumnBatch& batch, Offset offset) {
  if (!has_room(batch)) {
    return false;
  }
  const size_t at = rows_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < columns_.size(); ++i) {
    append_column(columns_[i], batch.columns[i], at, batch.rows);
  }
  note_times(batch.time().values_as<int64_t>());
  next_ = offset + 1;
  rows_.store(at + batch.rows, std::memory_order_release);
  return true;
}

void HotChunk::append_column(Column& to, const columnar::Column& from, size_t at, size_t count) {
  if (to.type == ColumnType::kNull || count == 0) {
    return;
  }
  if (has_offsets(to.type)) {
    const uint32_t base = to.ends[at];
    const auto* ends = reinterpret_cast<const int32_t*>(from.offsets.data()) + 1;
    for (size_t row = 0; row < count; ++row) {
      to.ends[at + 1 + row] = base + static_cast<uint32_t>(ends[row]);
    }
    if (!from.values.empty()) {
      std::memcpy(to.text.get() + base, from.values.data(), from.values.size());
    }
  } else {
    const size_t width = width_of(to.type);
    std::memcpy(to.values.get() + at * width, from.values.data(), count * width);
  }
  append_validity(to, from, at, count);
}

void HotChunk::append_validity(Column& to, const columnar::Column& from, size_t at,
                               size_t count) const {
  uint8_t* valid = to.is_valid.load(std::memory_order_relaxed);
  if (from.validity.empty()) {
    if (valid != nullptr) {
      std::memset(valid + at, 1, count);
    }
    return;
  }
  const bool is_new = valid == nullptr;
  if (is_new) {
    valid = new uint8_t[capacity_];
    std::memset(valid, 1, at);
  }
  for (size_t row = 0; row < count; ++row) {
    valid[at + row] = from.is_null(row) ? 0 : 1;
  }
  if (is_new) {
    to.is_valid.store(valid, std::memory_order_release);
  }
}

void HotChunk::note_times(std::span<const int64_t> times) {
  if (times.empty()) {
    return;
  }
  int64_t least = times.front();
  int64_t most = times.front();
  const bool is_first = rows_.load(std::memory_order_relaxed) == 0;
  is_sorted_ = is_sorted_ && std::ranges::is_sorted(times) &&
               (is_first || times.front() >= max_time_.load(std::memory_order_relaxed));
  for (const int64_t time : times) {
    least = std::min(least, time);
    most = std::max(most, time);
  }
  min_time_.store(std::min(least, min_time()), std::memory_order_relaxed);
  max_time_.store(std::max(most, max_time()), std::memory_order_relaxed);
}

HotChunk::View HotChunk::column(size_t place) const {
  const Column& column = columns_[place];
  return {.type = column.type,
          .values = column.values.get(),
          .ends = column.ends.get(),
          .text = column.text.get(),
          .is_valid = column.is_valid.load(std::memory_order_acquire)};
}

}  // namespace millrace::tables
