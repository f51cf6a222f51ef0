#include "tables/trust.h"

#include "tables/schema_frame.h"

namespace millrace::tables {
namespace {

using catalog::Contents;
using journal::Findings;

constexpr const char* kAdvice =
    "nothing was changed; put both back from one copy of the data directory";
constexpr const char* kOlderCatalog =
    "nothing was changed; make catalog.db again out of journal and files: millrace rebuild "
    "--replace";

Status check_place(const std::optional<JournalPlace>& place, const Findings& journal) {
  if (!place || place->run.value == 0) {
    return {};
  }
  MILLRACE_TRY(const auto presence, journal.look_for(*place));
  if (presence != Findings::Presence::kMissing) {
    return {};
  }
  return make_error(Code::kCorrupt,
                    "journal older than catalog: catalog.db rests on run {} at {} of journal file "
                    "{}, and the journal ends at run {} or has another one there; {}",
                    place->run, place->position, place->file, journal.last_run(), kAdvice);
}

/// "main.cpu (offsets 0 to 41)" of each table whose rows are in neither.
Result<std::string> tables_without_rows(const Contents& catalog, const Findings& journal) {
  std::string names;
  for (const auto& frame : journal.facts(record::SystemKind::kSchema)) {
    MILLRACE_TRY(const SchemaFact fact, schema_fact_from(frame));
    const TopicPartition partition{fact.topic, PartitionId{0}};
    const auto known = catalog.table_offsets.find(partition);
    const Offset tabled = known == catalog.table_offsets.end() ? Offset{0} : known->second;
    const Offset start = journal.range(partition).start;
    if (start > tabled) {
      names += fmt::format("{}{} (offsets {} to {})", names.empty() ? "" : ", ",
                           fact.name.to_string(), tabled, start.value - 1);
    }
  }
  return names;
}

}  // namespace

Status check_places(const Contents& catalog, const Findings& journal) {
  MILLRACE_TRY_STATUS(check_place(catalog.broker_place, journal));
  MILLRACE_TRY_STATUS(check_place(catalog.tables_place, journal));
  return check_place(catalog.segments_place, journal);
}

Status check_trust(const Contents& catalog, const Findings& journal) {
  const auto directory = journal.directory();
  if (catalog.directory && directory && *catalog.directory != *directory) {
    return make_error(Code::kCorrupt, "catalog.db belongs to directory {}, the journal to {}; {}",
                      catalog.directory->to_string(), directory->to_string(), kAdvice);
  }
  MILLRACE_TRY_STATUS(check_places(catalog, journal));
  MILLRACE_TRY(const std::string missing, tables_without_rows(catalog, journal));
  if (missing.empty()) {
    return {};
  }
  if (catalog.is_new) {
    return make_error(Code::kCorrupt,
                      "catalog.db is missing, and the journal no longer holds all rows of {}: only "
                      "the catalog says which files under tables/ have them; nothing was changed; "
                      "put catalog.db back, or make it again: millrace rebuild --data DIR",
                      missing);
  }
  return make_error(
      Code::kCorrupt,
      "catalog older than journal: it names no table files with rows of {}, which the "
      "journal no longer has; {}",
      missing, kOlderCatalog);
}

}  // namespace millrace::tables
