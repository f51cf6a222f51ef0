#include "columnar/open_batch.h"

#include "columnar/facts.h"
#include "columnar/time_column.h"

#include <cstring>
#include <span>
#include <utility>

namespace millrace::columnar {
namespace {

/// Why a value cannot go into a column that the table has already.
std::optional<std::string> clash(const SchemaColumn& known, const RowPair& pair) {
  if (known.is_tag && !pair.is_tag) {
    return fmt::format("\"{}\" is a field here and a tag in the table", pair.key);
  }
  const ColumnType type = pair.value.type;
  if (known.type == type) {
    return std::nullopt;
  }
  const auto bits = static_cast<int64_t>(pair.value.bits);
  if (widened(known.type, known.facts, type, facts_of_run(type, std::span(&bits, 1)))) {
    return std::nullopt;
  }
  return fmt::format("{} \"{}\": {} does not fit the table's column of {}",
                     pair.is_tag ? "tag" : "field", pair.key, name_of(type), name_of(known.type));
}

}  // namespace

std::optional<std::string> OpenBatch::place(const Row& row, std::vector<size_t>& places) {
  size_t added = columns_.size();
  places.clear();
  for (size_t i = 0; i < row.pairs.size(); ++i) {
    const size_t found = find(row.pairs[i].key, i);
    places.push_back(found < columns_.size() ? found : added++);
    if (auto problem = refusal_of(row.pairs[i], found)) {
      return problem;
    }
  }
  if (added + 1 > kMostColumns) {
    return fmt::format("the measurement has more than {} columns", kMostColumns);
  }
  return std::nullopt;
}

/// `place`: where its column is, or columns_.size().
std::optional<std::string> OpenBatch::refusal_of(const RowPair& pair, size_t place) {
  const bool is_new = place == columns_.size();
  if (const SchemaColumn* known = is_new ? find_known(pair.key) : columns_[place].known) {
    if (auto problem = clash(*known, pair)) {
      return problem;
    }
  }
  if (is_new) {
    return std::nullopt;
  }
  OpenColumn& column = columns_[place];
  if (column.is_tag != pair.is_tag) {
    return fmt::format("\"{}\" is a {} here and a {} in an earlier row", pair.key,
                       pair.is_tag ? "tag" : "field", column.is_tag ? "tag" : "field");
  }
  if (!column.values.can_take(pair.value)) {
    return fmt::format("field \"{}\": {}, as earlier rows made it", pair.key,
                       column.values.refusal_of(pair.value));
  }
  return std::nullopt;
}

std::optional<std::string> OpenBatch::refusal_of_time(int64_t time_ns) const {
  const SchemaColumn* known = find_known(kTimeName);
  if (known == nullptr || known->facts.fits_ns || time_ns % 1000 == 0) {
    return std::nullopt;
  }
  return "the time is not a whole microsecond, and the table has times outside 1677 to 2262, "
         "which nanoseconds cannot hold";
}

void OpenBatch::append(const Row& row, const std::vector<size_t>& places, int64_t time_ns) {
  for (size_t i = 0; i < row.pairs.size(); ++i) {
    const RowPair& pair = row.pairs[i];
    if (places[i] == columns_.size()) {
      columns_.push_back({std::string(pair.key), pair.is_tag, find_known(pair.key), {}});
      by_name_.emplace(pair.key, places[i]);
    }
    ColumnBuilder& values = columns_[places[i]].values;
    values.append_nulls(rows() - values.rows());
    values.append(pair.value);
  }
  times_.push_back(time_ns);
}

ColumnBatch OpenBatch::finish() && {
  ColumnBatch batch{.rows = rows()};
  batch.columns.reserve(columns());
  const ColumnType type = narrow_nanoseconds(times_);
  bytes::MutableBuffer times = bytes::MutableBuffer::of_size(rows() * sizeof(int64_t));
  std::memcpy(times.data(), times_.data(), times.size());
  batch.columns.push_back(time_column(std::move(times), rows(), type));
  for (OpenColumn& column : columns_) {
    column.values.append_nulls(rows() - column.values.rows());
    batch.columns.push_back(std::move(column.values).finish(std::move(column.name), column.is_tag));
  }
  return batch;
}

/// columns_.size() when there is none. Rows of one measurement mostly have one order.
size_t OpenBatch::find(std::string_view name, size_t guess) const {
  if (guess < columns_.size() && columns_[guess].name == name) {
    return guess;
  }
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? columns_.size() : found->second;
}

const SchemaColumn* OpenBatch::find_known(std::string_view name) const {
  const auto place = schema_ == nullptr ? std::nullopt : schema_->find(name);
  return place ? &schema_->columns()[*place] : nullptr;
}

}  // namespace millrace::columnar
