#include "columnar/open_batches.h"

#include <algorithm>
#include <utility>

namespace millrace::columnar {

OpenBatches::OpenBatches(size_t bytes, int64_t arrival_ns, const SchemaLookup& schema_of)
    : schema_of_(schema_of),
      arrival_ns_(arrival_ns),
      most_cells_(std::max(size_t{1} << 20, bytes)) {}

std::optional<std::string> OpenBatches::take(const Row& row) {
  const size_t place = find(row.measurement);
  const bool is_new = place == open_.size();
  if (is_new && open_.size() == kMostMeasurements) {
    return fmt::format("more than {} measurements in one request", kMostMeasurements);
  }
  OpenBatch first(is_new && schema_of_ ? schema_of_(row.measurement) : nullptr);
  OpenBatch& batch = is_new ? first : open_[place];
  const int64_t time_ns = row.time_ns.value_or(arrival_ns_);
  if (auto problem = batch.place(row, places_)) {
    return problem;
  }
  if (auto problem = batch.refusal_of_time(time_ns)) {
    return problem;
  }
  const size_t columns_before = is_new ? 0 : batch.columns();
  const size_t columns = std::max(batch.columns(), 2 + *std::ranges::max_element(places_));
  const size_t cells = cells_ - (columns_before * batch.rows()) + (columns * (batch.rows() + 1));
  if (cells > most_cells_ || columns_ + columns - columns_before > kMostColumnsInAll) {
    return "too many columns for so many rows in one request; send it in parts";
  }
  batch.append(row, places_, time_ns);
  if (is_new) {
    names_.emplace_back(row.measurement);
    by_name_.emplace(row.measurement, place);
    open_.push_back(std::move(first));
  }
  cells_ = cells;
  columns_ += columns - columns_before;
  last_ = place;
  return std::nullopt;
}

std::vector<MeasurementBatch> OpenBatches::finish() && {
  std::vector<MeasurementBatch> batches;
  batches.reserve(open_.size());
  for (size_t i = 0; i < open_.size(); ++i) {
    batches.push_back({std::move(names_[i]), std::move(open_[i]).finish()});
  }
  return batches;
}

/// open_.size() when it is new.
size_t OpenBatches::find(std::string_view measurement) const {
  if (last_ < open_.size() && names_[last_] == measurement) {
    return last_;
  }
  const auto found = by_name_.find(measurement);
  return found == by_name_.end() ? open_.size() : found->second;
}

}  // namespace millrace::columnar
