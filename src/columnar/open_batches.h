// A request's rows, collected by measurement.
#pragma once

#include "columnar/open_batch.h"
#include "columnar/row.h"
#include "columnar/schema.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::columnar {

/// Limits of one request; a row beyond them is that row's error.
inline constexpr size_t kMostMeasurements = 4096;
inline constexpr size_t kMostColumnsInAll = 16'384;

/// The columns a measurement has already, nullptr where it is new. What it points to lives until
/// the request is decoded.
using SchemaLookup = std::function<const Schema*(std::string_view measurement)>;

/// Memory: 8 bytes for each of at most max(1 Mi, `bytes`) values, absent ones counted, so that a
/// few wide rows among many narrow ones cannot ask for more.
class OpenBatches {
 public:
  /// `bytes`: of the request. `schema_of` (may be empty) outlives it.
  OpenBatches(size_t bytes, int64_t arrival_ns, const SchemaLookup& schema_of);

  /// Returns what is wrong with the row; then nothing of it was taken.
  std::optional<std::string> take(const Row& row);

  size_t measurements() const { return open_.size(); }

  /// Which measurement the last row taken is of, by first appearance.
  size_t last() const { return last_; }

  /// In the order of their first rows.
  std::vector<MeasurementBatch> finish() &&;

 private:
  size_t find(std::string_view measurement) const;

  const SchemaLookup& schema_of_;
  const int64_t arrival_ns_;  // the time of rows that name none
  const size_t most_cells_;
  std::vector<size_t> places_;
  std::vector<std::string> names_;
  std::vector<OpenBatch> open_;  // beside `names_`
  Places by_name_;
  size_t last_ = 0;
  size_t cells_ = 0;    // rows times columns of all measurements, the time among them
  size_t columns_ = 0;  // of all measurements
};

}  // namespace millrace::columnar
