#include "columnar/column_batch.h"

#include "columnar/facts.h"

#include <algorithm>
#include <cstring>

namespace millrace::columnar {
namespace {

bytes::Buffer zeros(size_t size) {
  bytes::MutableBuffer buffer = bytes::MutableBuffer::of_size(size);
  if (size > 0) {
    std::memset(buffer.data(), 0, size);
  }
  return std::move(buffer).freeze(size);
}

template <typename From, typename To, typename Change>
bytes::Buffer changed(const Column& column, Change change) {
  const std::span<const From> from = column.values_as<From>();
  bytes::MutableBuffer buffer = bytes::MutableBuffer::of_size(from.size() * sizeof(To));
  std::ranges::transform(from, reinterpret_cast<To*>(buffer.data()), change);
  return std::move(buffer).freeze(from.size() * sizeof(To));
}

}  // namespace

const Column* ColumnBatch::find(std::string_view name) const {
  const auto found = std::ranges::find(columns, name, &Column::name);
  return found == columns.end() ? nullptr : &*found;
}

size_t ColumnBatch::size_bytes() const {
  size_t size = 0;
  for (const Column& column : columns) {
    size += column.values.size() + column.offsets.size() + column.validity.size();
  }
  return size;
}

ValueFacts facts_of(const Column& column) {
  if (width_of(column.type) != sizeof(int64_t)) {
    return {};
  }
  return facts_of_run(column.type, column.values_as<int64_t>());
}

Column null_column(std::string name, ColumnType type, size_t rows) {
  Column column{.name = std::move(name), .type = type, .null_count = rows};
  if (type != ColumnType::kNull) {
    column.values = zeros(rows * width_of(type));
    column.validity = zeros((rows + 7) / 8);
  }
  if (has_offsets(type)) {
    column.offsets = zeros((rows + 1) * sizeof(int32_t));
  }
  return column;
}

std::optional<Column> converted(const Column& column, ColumnType type, size_t rows) {
  if (column.type == type) {
    return column;
  }
  if (column.type == ColumnType::kNull) {
    Column nulls = null_column(column.name, type, rows);
    nulls.is_tag = column.is_tag;
    return nulls;
  }
  const ValueFacts facts = facts_of(column);
  // The target seen as a column without values: it takes these if all of them fit.
  if (widened(type, {}, column.type, facts) != type) {
    return std::nullopt;
  }
  Column result = column;
  result.type = type;
  if (type == ColumnType::kTimeNs) {
    result.values = changed<int64_t, int64_t>(column, [](int64_t us) { return us * 1000; });
  } else if (type == ColumnType::kF64 && column.type == ColumnType::kU64) {
    result.values =
        changed<uint64_t, double>(column, [](uint64_t v) { return static_cast<double>(v); });
  } else if (type == ColumnType::kF64) {
    result.values =
        changed<int64_t, double>(column, [](int64_t v) { return static_cast<double>(v); });
  }
  return result;  // i64 and u64 have the same bits for what both can hold
}

}  // namespace millrace::columnar
