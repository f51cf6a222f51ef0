// One flush unit into Parquet files: sorted by time, split by day and hour where it pays.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "objects/object_store.h"
#include "tables/table.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::tables {

/// How long a unit took, in seconds.
struct UnitTimes {
  double sort = 0;    // the rows by time, and their cut into parts
  double gather = 0;  // their values into columns
  double encode = 0;  // these into Parquet's pages, compression included
  double write = 0;   // the pages to the store
};

/// Files that are written and not yet visible.
struct UnitFiles {
  std::vector<catalog::FileRow> rows;
  std::vector<std::unique_ptr<objects::ObjectWriter>> writers;  // beside `rows`
  UnitTimes times;
};

/// Every part of a split has at least one of them.
struct SplitRule {
  uint64_t least_rows = 100'000;
  uint64_t least_bytes = uint64_t{8} << 20;  // in memory
};

/// A file's place among the parts of its range, in its footer.
inline constexpr std::string_view kPartKey = "millrace.part";

/// Writes them under the table's folder. Their footers carry table, topic, partition, offsets,
/// part, schema version and `commit`. Blocks. Errors: the store's.
Result<UnitFiles> write_unit(const Table& table, const FlushUnit& unit, const Uuid& commit,
                             const SplitRule& rule, objects::ObjectStore& store,
                             const Clock& clock);

/// As a table keeps it; not proven.
TableFile file_of(const catalog::FileRow& row, const objects::ObjectStore& store);

/// A Parquet file of `schema` without rows, under the table's folder; what it is called. Errors:
/// the store's.
Result<std::string> write_empty_file(const Table& table, const SchemaVersion& schema,
                                     objects::ObjectStore& store);

/// What a file's name says: nullopt for a name that is none of ours.
struct FileName {
  Offset first;
  Offset next;
  uint64_t part = 0;
  static std::optional<FileName> parse(std::string_view name);
};

/// Files of no rows, made when a query first needs one: derived, and removed at a start.
bool is_empty_file(std::string_view name);

}  // namespace millrace::tables
