#include "tables/unit_writer.h"

#include "columnar/parquet_writer.h"
#include "tables/gather.h"

#include <algorithm>
#include <charconv>
#include <span>

namespace millrace::tables {
namespace {

constexpr int64_t kHourUs = int64_t{3600} * 1'000'000;
constexpr int64_t kDayUs = 24 * kHourUs;
constexpr uint64_t kBatchRows = 122'880;  // a row group's
constexpr std::string_view kEmptyPrefix = "schema-";

/// The time since it was asked before, or made.
class Laps {
 public:
  explicit Laps(const Clock& clock) : clock_(clock), last_(clock.steady()) {}

  double next() {
    const auto now = clock_.steady();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  const Clock& clock_;
  std::chrono::steady_clock::time_point last_;
};

/// Into an object.
class ObjectSink final : public columnar::Sink {
 public:
  explicit ObjectSink(objects::ObjectWriter& writer) : writer_(writer) {}

  Status write(std::span<const std::byte> bytes) override { return writer_.write(bytes); }

 private:
  objects::ObjectWriter& writer_;
};

/// Takes the time that another one needs.
class TimedSink final : public columnar::Sink {
 public:
  TimedSink(columnar::Sink& sink, const Clock& clock) : sink_(sink), clock_(clock) {}

  Status write(std::span<const std::byte> bytes) override {
    Laps laps(clock_);
    auto written = sink_.write(bytes);
    seconds_ += laps.next();
    return written;
  }

  double seconds() const { return seconds_; }

 private:
  columnar::Sink& sink_;
  const Clock& clock_;
  double seconds_ = 0;
};

int64_t floor_div(int64_t value, int64_t by) {
  const int64_t quotient = value / by;
  return quotient * by > value ? quotient - 1 : quotient;
}

/// Rows of one file.
struct Part {
  std::vector<RowRun> runs;
  uint64_t rows = 0;
};

/// Cuts sorted rows wherever the time passes into another period.
std::vector<Part> cut_by(const FlushUnit& unit, const Part& whole, int64_t period_us) {
  std::vector<Part> parts;
  int64_t current = 0;
  for (const RowRun& run : whole.runs) {
    for (uint32_t i = 0; i < run.count;) {
      const int64_t period = floor_div(time_us_of(unit, run.chunk, run.row + i), period_us);
      uint32_t end = i + 1;
      // A run is sorted: when its last row is in the same period, all are.
      if (floor_div(time_us_of(unit, run.chunk, run.row + run.count - 1), period_us) == period) {
        end = run.count;
      }
      while (end < run.count &&
             floor_div(time_us_of(unit, run.chunk, run.row + end), period_us) == period) {
        ++end;
      }
      if (parts.empty() || period != current) {
        parts.emplace_back();
        current = period;
      }
      parts.back().runs.push_back({run.chunk, run.row + i, end - i});
      parts.back().rows += end - i;
      i = end;
    }
  }
  return parts;
}

/// By day, then by hour, each time only if every part is large enough.
std::vector<Part> split(const FlushUnit& unit, Part whole, const SplitRule& rule) {
  uint64_t bytes = 0;
  for (const auto& chunk : unit.chunks) {
    bytes += chunk->size_bytes();
  }
  const uint64_t bytes_a_row = bytes / std::max<uint64_t>(unit.rows, 1) + 1;
  const auto is_large = [&](const Part& part) {
    return part.rows >= rule.least_rows || part.rows * bytes_a_row >= rule.least_bytes;
  };
  std::vector<Part> parts;
  parts.push_back(std::move(whole));
  for (const int64_t period : {kDayUs, kHourUs}) {
    std::vector<Part> smaller;
    for (Part& part : parts) {
      auto cut = cut_by(unit, part, period);
      if (std::ranges::all_of(cut, is_large)) {
        std::ranges::move(cut, std::back_inserter(smaller));
      } else {
        smaller.push_back(std::move(part));
      }
    }
    parts = std::move(smaller);
  }
  return parts;
}

/// Row groups' worth of rows, in order.
std::vector<columnar::ColumnBatch> batches_of(const FlushUnit& unit, const Part& part) {
  std::vector<columnar::ColumnBatch> batches;
  std::vector<RowRun> pending;
  uint64_t rows = 0;
  for (RowRun run : part.runs) {
    while (run.count > 0) {
      const auto taken = static_cast<uint32_t>(std::min<uint64_t>(run.count, kBatchRows - rows));
      pending.push_back({run.chunk, run.row, taken});
      run.row += taken;
      run.count -= taken;
      rows += taken;
      if (rows == kBatchRows) {
        batches.push_back(gather(unit, pending));
        pending.clear();
        rows = 0;
      }
    }
  }
  if (!pending.empty()) {
    batches.push_back(gather(unit, pending));
  }
  return batches;
}

columnar::ParquetSettings settings_of(const Table& table, const FlushUnit& unit,
                                      const Uuid& commit) {
  columnar::ParquetSettings settings;
  settings.metadata = {
      {"millrace.table", table.name().to_string()},
      {"millrace.topic_id", table.partition().topic.to_string()},
      {"millrace.partition", fmt::format("{}", table.partition().partition)},
      {"millrace.first_offset", fmt::format("{}", unit.first)},
      {"millrace.next_offset", fmt::format("{}", unit.next)},
      {"millrace.schema_version", fmt::format("{}", unit.schema->version)},
      {"millrace.commit_id", commit.to_string()},
  };
  return settings;
}

/// How many bytes they took.
Result<uint64_t> write_batches(std::span<const columnar::ColumnBatch> batches,
                               const columnar::Schema& schema,
                               const columnar::ParquetSettings& settings, columnar::Sink& sink) {
  std::vector<const columnar::ColumnBatch*> pointers;
  pointers.reserve(batches.size());
  for (const auto& batch : batches) {
    pointers.push_back(&batch);
  }
  MILLRACE_TRY(const auto file, columnar::write_parquet(pointers, schema, settings, sink));
  return file.bytes;
}

}  // namespace

Result<UnitFiles> write_unit(const Table& table, const FlushUnit& unit, const Uuid& commit,
                             const SplitRule& rule, objects::ObjectStore& store,
                             const Clock& clock) {
  UnitFiles files;
  Laps laps(clock);
  SortedRows sorted = sort_by_time(unit);
  if (sorted.rows == 0) {
    return files;
  }
  auto settings = settings_of(table, unit, commit);
  auto& part_value = settings.metadata.emplace_back(kPartKey, "").second;
  const std::string folder = folder_of(table.name(), table.partition().topic);
  const auto parts = split(unit, {std::move(sorted.runs), sorted.rows}, rule);
  files.times.sort = laps.next();
  for (size_t i = 0; i < parts.size(); ++i) {
    const RowRun& first = parts[i].runs.front();
    const RowRun& last = parts[i].runs.back();
    catalog::FileRow row{
        .path = fmt::format("{}/{:020}-{:020}-{:04}.parquet", folder, unit.first.value,
                            unit.next.value, i),
        .partition = table.partition(),
        .first = unit.first,
        .next = unit.next,
        .rows = parts[i].rows,
        .min_time_us = time_us_of(unit, first.chunk, first.row),
        .max_time_us = time_us_of(unit, last.chunk, last.row + last.count - 1, Rounding::kUp),
        .schema_version = unit.schema->version,
        .commit = commit,
    };
    part_value = fmt::format("{}", i);
    MILLRACE_TRY(auto writer, store.create(row.path));
    ObjectSink object(*writer);
    TimedSink sink(object, clock);
    laps.next();
    const auto batches = batches_of(unit, parts[i]);
    files.times.gather += laps.next();
    MILLRACE_TRY(row.bytes, write_batches(batches, unit.schema->schema, settings, sink));
    files.times.encode += laps.next() - sink.seconds();
    files.times.write += sink.seconds();
    files.rows.push_back(std::move(row));
    files.writers.push_back(std::move(writer));
  }
  return files;
}

TableFile file_of(const catalog::FileRow& row, const objects::ObjectStore& store) {
  return {.name = row.path,
          .path = store.location_of(row.path),
          .first = row.first,
          .next = row.next,
          .rows = row.rows,
          .bytes = row.bytes,
          .schema_version = row.schema_version,
          .commit = row.commit};
}

Result<std::string> write_empty_file(const Table& table, const SchemaVersion& schema,
                                     objects::ObjectStore& store) {
  std::string name =
      fmt::format("{}/{}{}.parquet", folder_of(table.name(), table.partition().topic), kEmptyPrefix,
                  schema.version);
  MILLRACE_TRY(auto writer, store.create(name));
  ObjectSink sink(*writer);
  MILLRACE_TRY_STATUS(write_batches({}, schema.schema, {}, sink));
  MILLRACE_TRY_STATUS(writer->publish());
  return name;
}

std::optional<FileName> FileName::parse(std::string_view name) {
  name = name.substr(name.rfind('/') + 1);
  constexpr size_t kDigits = 20;
  constexpr size_t kPartDigits = 4;
  if (name.size() != 2 * (kDigits + 1) + kPartDigits + 8 || !name.ends_with(".parquet") ||
      name[kDigits] != '-' || name[2 * kDigits + 1] != '-') {
    return std::nullopt;
  }
  FileName parsed;
  const auto read = [](std::string_view digits, auto& number) {
    const auto [end, failed] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return failed == std::errc{} && end == digits.data() + digits.size();
  };
  if (!read(name.substr(0, kDigits), parsed.first.value) ||
      !read(name.substr(kDigits + 1, kDigits), parsed.next.value) ||
      !read(name.substr(2 * (kDigits + 1), kPartDigits), parsed.part) ||
      parsed.first >= parsed.next || parsed.first.value < 0) {
    return std::nullopt;
  }
  return parsed;
}

bool is_empty_file(std::string_view name) {
  return name.substr(name.rfind('/') + 1).starts_with(kEmptyPrefix);
}

}  // namespace millrace::tables
