#include "columnar/decode_line_protocol.h"

#include "columnar/column_builder.h"
#include "columnar/facts.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <unordered_map>
#include <utility>

namespace millrace::columnar {
namespace {

struct TextHash {
  using is_transparent = void;  // NOLINT(readability-identifier-naming): the standard's name

  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

using Places = std::unordered_map<std::string, size_t, TextHash, std::equal_to<>>;

struct OpenColumn {
  std::string name;
  bool is_tag = false;
  const SchemaColumn* known = nullptr;  // as the table has it
  ColumnBuilder values;                 // may be some rows short: they are null
};

/// Why a value cannot go into a column that the table has already.
std::optional<std::string> clash(const SchemaColumn& known, const LinePair& pair) {
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

/// The rows of one measurement so far.
class OpenBatch {
 public:
  /// `schema`: the table's; nullptr where it is new.
  explicit OpenBatch(const Schema* schema) : schema_(schema) {}

  size_t rows() const { return times_.size(); }

  size_t columns() const { return columns_.size() + 1; }

  /// Where each pair of the line goes; a place at or beyond the end is a column to be made.
  /// Returns what is wrong with the line, if anything.
  std::optional<std::string> place(const ParsedLine& line, std::vector<size_t>& places) {
    size_t added = columns_.size();
    places.clear();
    for (size_t i = 0; i < line.pairs.size(); ++i) {
      const LinePair& pair = line.pairs[i];
      const size_t found = find(pair.key, i);
      places.push_back(found < columns_.size() ? found : added++);
      const SchemaColumn* known =
          found < columns_.size() ? columns_[found].known : find_known(pair.key);
      if (known != nullptr) {
        if (auto problem = clash(*known, pair)) {
          return problem;
        }
      }
      if (found == columns_.size()) {
        continue;
      }
      OpenColumn& column = columns_[found];
      if (column.is_tag != pair.is_tag) {
        return fmt::format("\"{}\" is a {} here and a {} in an earlier line", pair.key,
                           pair.is_tag ? "tag" : "field", column.is_tag ? "tag" : "field");
      }
      if (!column.values.can_take(pair.value)) {
        return fmt::format("field \"{}\": {}, as earlier lines made it", pair.key,
                           column.values.refusal_of(pair.value));
      }
    }
    if (added + 1 > kMostColumns) {
      return fmt::format("the measurement has more than {} columns", kMostColumns);
    }
    return std::nullopt;
  }

  /// Why a time cannot go into the table's column of times.
  std::optional<std::string> refusal_of_time(int64_t time_ns) const {
    const SchemaColumn* known = find_known(kTimeName);
    if (known == nullptr || known->facts.fits_ns || time_ns % 1000 == 0) {
      return std::nullopt;
    }
    return "the time is not a whole microsecond, and the table has times outside 1677 to 2262, "
           "which nanoseconds cannot hold";
  }

  /// A line that was placed.
  void append(const ParsedLine& line, const std::vector<size_t>& places, int64_t time_ns) {
    for (size_t i = 0; i < line.pairs.size(); ++i) {
      const LinePair& pair = line.pairs[i];
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

  ColumnBatch finish() && {
    ColumnBatch batch{.rows = rows()};
    batch.columns.reserve(columns());
    const ColumnType type = narrow_nanoseconds(times_);
    bytes::MutableBuffer times = bytes::MutableBuffer::of_size(rows() * sizeof(int64_t));
    std::memcpy(times.data(), times_.data(), times.size());
    batch.columns.push_back(time_column(std::move(times), rows(), type));
    for (OpenColumn& column : columns_) {
      column.values.append_nulls(rows() - column.values.rows());
      batch.columns.push_back(
          std::move(column.values).finish(std::move(column.name), column.is_tag));
    }
    return batch;
  }

 private:
  /// columns_.size() when there is none. Lines of one measurement mostly have one order.
  size_t find(std::string_view name, size_t guess) const {
    if (guess < columns_.size() && columns_[guess].name == name) {
      return guess;
    }
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? columns_.size() : found->second;
  }

  const SchemaColumn* find_known(std::string_view name) const {
    const auto place = schema_ == nullptr ? std::nullopt : schema_->find(name);
    return place ? &schema_->columns()[*place] : nullptr;
  }

  const Schema* schema_;
  std::vector<OpenColumn> columns_;
  Places by_name_;
  std::vector<int64_t> times_;  // nanoseconds
};

class Decoder {
 public:
  Decoder(std::string_view body, Precision precision, int64_t arrival_ns,
          const SchemaLookup& schema_of)
      : parser_(body, precision),
        schema_of_(schema_of),
        arrival_ns_(arrival_ns),
        most_cells_(std::max(size_t{1} << 20, body.size())) {}

  LineProtocolBatches decode() && {
    for (;;) {
      const LineParser::Outcome outcome = parser_.next(line_);
      if (outcome == LineParser::Outcome::kEnd) {
        return std::move(*this).finish();
      }
      if (outcome == LineParser::Outcome::kError) {
        note_error(parser_.error());
      } else if (auto problem = take_line()) {
        note_error(*std::move(problem));
      }
    }
  }

 private:
  void note_error(std::string message) {
    if (++result_.error_count <= kMostLineErrors) {
      result_.errors.push_back({parser_.line_number(), std::move(message)});
    }
  }

  /// Returns what is wrong with the line; then nothing of it was taken.
  std::optional<std::string> take_line() {
    const size_t place = find(line_.measurement);
    const bool is_new = place == open_.size();
    if (is_new && open_.size() == kMostMeasurements) {
      return fmt::format("more than {} measurements in one request", kMostMeasurements);
    }
    OpenBatch first(is_new && schema_of_ ? schema_of_(line_.measurement) : nullptr);
    OpenBatch& batch = is_new ? first : open_[place];
    const int64_t time_ns = line_.time_ns.value_or(arrival_ns_);
    if (auto problem = batch.place(line_, places_)) {
      return problem;
    }
    if (auto problem = batch.refusal_of_time(time_ns)) {
      return problem;
    }
    const size_t columns_before = is_new ? 0 : batch.columns();
    const size_t columns = std::max(batch.columns(), 2 + *std::ranges::max_element(places_));
    const size_t cells = cells_ - (columns_before * batch.rows()) + (columns * (batch.rows() + 1));
    if (cells > most_cells_ || columns_ + columns - columns_before > kMostColumnsInAll) {
      return "too many columns for so many lines in one request; send it in parts";
    }
    batch.append(line_, places_, time_ns);
    if (is_new) {
      result_.batches.push_back({std::string(line_.measurement), {}});
      result_.lines.emplace_back();
      by_name_.emplace(line_.measurement, place);
      open_.push_back(std::move(first));
    }
    result_.lines[place].push_back(parser_.text());
    cells_ = cells;
    columns_ += columns - columns_before;
    last_ = place;
    ++result_.rows;
    return std::nullopt;
  }

  /// open_.size() when it is new.
  size_t find(std::string_view measurement) const {
    if (last_ < open_.size() && result_.batches[last_].measurement == measurement) {
      return last_;
    }
    const auto found = by_name_.find(measurement);
    return found == by_name_.end() ? open_.size() : found->second;
  }

  LineProtocolBatches finish() && {
    for (size_t i = 0; i < open_.size(); ++i) {
      result_.batches[i].batch = std::move(open_[i]).finish();
    }
    return std::move(result_);
  }

  LineParser parser_;
  const SchemaLookup& schema_of_;
  ParsedLine line_;
  std::vector<size_t> places_;
  const int64_t arrival_ns_;
  const size_t most_cells_;
  LineProtocolBatches result_;   // batches: names until the end
  std::vector<OpenBatch> open_;  // beside result_.batches
  Places by_name_;
  size_t last_ = 0;     // the measurement of the last good line
  size_t cells_ = 0;    // rows times columns of all measurements, the time among them
  size_t columns_ = 0;  // of all measurements
};

}  // namespace

Result<LineProtocolBatches> decode_line_protocol(std::string_view body, Precision precision,
                                                 ArrivalTime arrival,
                                                 const SchemaLookup& schema_of) {
  if (body.size() > kMostStringBytes) {
    return make_error(Code::kInvalid, "a request of {} bytes is longer than {}", body.size(),
                      kMostStringBytes);
  }
  int64_t arrival_ns = 0;
  if (__builtin_mul_overflow(arrival.time_since_epoch().count(), int64_t{1000}, &arrival_ns) ||
      !is_in_ns_range(arrival_ns)) {
    return make_error(Code::kInvalid,
                      "the request came at {} us, which is outside 1677-09-22 to 2262-04-11",
                      arrival.time_since_epoch().count());
  }
  return Decoder(body, precision, arrival_ns, schema_of).decode();
}

}  // namespace millrace::columnar
