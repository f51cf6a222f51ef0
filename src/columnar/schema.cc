#include "columnar/schema.h"

#include "columnar/facts.h"

#include <algorithm>
#include <numeric>

namespace millrace::columnar {
namespace {

/// The first row whose value alone is in the way; the first with a value when none is.
size_t row_in_the_way(const Column& column, size_t rows, ColumnType current,
                      const ValueFacts& facts) {
  std::optional<size_t> first;
  for (size_t row = 0; row < rows; ++row) {
    if (column.is_null(row)) {
      continue;
    }
    first = first.value_or(row);
    if (width_of(column.type) != sizeof(int64_t)) {
      break;
    }
    const ValueFacts of_row =
        facts_of_run(column.type, column.values_as<int64_t>().subspan(row, 1));
    if (!widened(current, facts, column.type, of_row)) {
      return row;
    }
  }
  return first.value_or(0);
}

/// Why the rule says no, where the types alone do not explain it.
std::string_view reason_of(ColumnType current, ColumnType incoming) {
  if (is_time(current) && is_time(incoming)) {
    return ": a time is outside 1677 to 2262, which nanoseconds cannot hold";
  }
  if (is_integer(current) && is_integer(incoming)) {
    return ": one column cannot hold values below 0 and above 2^63-1";
  }
  if ((is_integer(current) || is_integer(incoming)) &&
      (current == ColumnType::kF64 || incoming == ColumnType::kF64)) {
    return ": an integer is beyond 2^53, which a double cannot hold exactly";
  }
  return "";
}

Error clash(const SchemaColumn& current, const Column& column, size_t rows) {
  return make_error(Code::kInvalid, "column \"{}\", row {}: {} does not fit a column of {}{}",
                    column.name, row_in_the_way(column, rows, current.type, current.facts),
                    name_of(column.type), name_of(current.type),
                    reason_of(current.type, column.type));
}

/// Only those that later batches can be judged by; the others would be changes of no meaning.
ValueFacts relevant(ColumnType type, const ValueFacts& facts) {
  if (is_integer(type)) {
    return {.fits_f64 = facts.fits_f64, .has_negative = facts.has_negative};
  }
  return type == ColumnType::kTimeUs ? ValueFacts{.fits_ns = facts.fits_ns} : ValueFacts{};
}

/// The column after it has taken `column`'s rows.
Result<SchemaColumn> admitted(const SchemaColumn& current, const Column& column, size_t rows) {
  const ValueFacts facts = facts_of(column);
  const auto type = widened(current.type, current.facts, column.type, facts);
  const bool is_tag = current.is_tag || column.is_tag;
  if (!type || (is_tag && *type != ColumnType::kString && *type != ColumnType::kNull)) {
    return clash(current, column, rows);
  }
  return SchemaColumn{current.name, *type, is_tag, relevant(*type, current.facts.with(facts))};
}

/// Where `column` stands in `schema`; batches mostly have the schema's own order.
std::optional<size_t> place_of(const Schema& schema, const Column& column, size_t guess) {
  if (guess < schema.columns().size() && schema.columns()[guess].name == column.name) {
    return guess;
  }
  return schema.find(column.name);
}

Status check(const std::vector<SchemaColumn>& columns) {
  if (columns.size() > kMostColumns) {
    return make_error(Code::kInvalid, "{} columns are more than {}", columns.size(), kMostColumns);
  }
  for (const SchemaColumn& column : columns) {
    if (column.name.empty() || column.name.size() > kMostNameBytes) {
      return make_error(Code::kInvalid, "a column name of {} bytes is not within 1 to {}",
                        column.name.size(), kMostNameBytes);
    }
    if (column.is_tag && column.type != ColumnType::kString && column.type != ColumnType::kNull) {
      return make_error(Code::kInvalid, "tag \"{}\" is of type {}, not string", column.name,
                        name_of(column.type));
    }
  }
  return {};
}

}  // namespace

Result<Schema> Schema::make(std::vector<SchemaColumn> columns) {
  MILLRACE_TRY_STATUS(check(columns));
  Schema schema;
  schema.columns_ = std::move(columns);
  schema.by_name_.resize(schema.columns_.size());
  std::iota(schema.by_name_.begin(), schema.by_name_.end(), 0U);
  const auto name = [&](uint32_t place) -> std::string_view { return schema.columns_[place].name; };
  std::ranges::sort(schema.by_name_, {}, name);
  const auto twice = std::ranges::adjacent_find(schema.by_name_, {}, name);
  if (twice != schema.by_name_.end()) {
    return make_error(Code::kInvalid, "column \"{}\" appears twice", name(*twice));
  }
  return schema;
}

std::optional<size_t> Schema::find(std::string_view name) const {
  const auto name_at = [this](uint32_t place) -> std::string_view { return columns_[place].name; };
  const auto found = std::ranges::lower_bound(by_name_, name, {}, name_at);
  if (found == by_name_.end() || name_at(*found) != name) {
    return std::nullopt;
  }
  return *found;
}

Result<SchemaChange> admit(const Schema& current, const ColumnBatch& batch) {
  SchemaChange change;
  std::vector<SchemaColumn> columns;  // filled at the first difference
  for (size_t i = 0; i < batch.columns.size(); ++i) {
    const Column& column = batch.columns[i];
    const std::optional<size_t> place = place_of(current, column, i);
    const SchemaColumn before =
        place ? current.columns()[*place] : SchemaColumn{.name = column.name};
    MILLRACE_TRY(SchemaColumn after, admitted(before, column, batch.rows));
    if (place && after == before) {
      continue;
    }
    if (columns.empty()) {
      columns = current.columns();
    }
    if (!place) {
      columns.push_back(std::move(after));
      ++change.added;
      continue;
    }
    if (after.type != before.type) {
      change.widened.push_back({*place, before.type, after.type});
    }
    columns[*place] = std::move(after);
  }
  if (!columns.empty()) {
    MILLRACE_TRY(change.schema, Schema::make(std::move(columns)));
  }
  return change;
}

Result<ColumnBatch> convert(const ColumnBatch& batch, const Schema& schema) {
  std::vector<const Column*> sources(schema.columns().size());
  ColumnBatch result{.rows = batch.rows};
  for (size_t i = 0; i < batch.columns.size(); ++i) {
    const Column& column = batch.columns[i];
    const std::optional<size_t> place = place_of(schema, column, i);
    if (!place) {
      return make_error(Code::kInvalid, "column \"{}\" is not in the schema", column.name);
    }
    sources[*place] = &column;
    if (i == batch.time_column) {
      result.time_column = *place;
    }
  }
  result.columns.reserve(sources.size());
  for (size_t i = 0; i < sources.size(); ++i) {
    const SchemaColumn& target = schema.columns()[i];
    if (sources[i] == nullptr) {
      result.columns.push_back(null_column(target.name, target.type, batch.rows));
    } else if (auto column = converted(*sources[i], target.type, batch.rows)) {
      result.columns.push_back(*std::move(column));
    } else {
      return clash(target, *sources[i], batch.rows);
    }
    result.columns.back().is_tag = target.is_tag;
  }
  return result;
}

}  // namespace millrace::columnar
