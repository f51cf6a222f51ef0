#include "fsck/table_check.h"

#include "base/clock.h"
#include "tables/file_check.h"
#include "tables/found_files.h"
#include "tables/unit_writer.h"

#include <algorithm>
#include <set>

namespace millrace::fsck {
namespace {

using catalog::FileRow;

class TableCheck {
 public:
  TableCheck(Work& work, objects::ObjectStore& store, const catalog::Contents& catalog,
             const Start& start)
      : work_(work), store_(store), catalog_(catalog), start_(start) {}

  Status run() {
    std::set<std::string, std::less<>> named;
    for (const catalog::TableRow& table : catalog_.tables) {
      names_[table.topic] = table.database + "." + table.measurement;
      work_.report.names.emplace(table.topic, names_[table.topic]);
    }
    for (const FileRow& row : catalog_.files) {
      named.insert(row.path);
      MILLRACE_TRY_STATUS(check_row(row));
    }
    MILLRACE_TRY(const auto objects, store_.list(""));
    size_t unjudged = 0;
    for (const objects::ObjectInfo& object : objects) {
      if (tables::is_empty_file(object.name)) {
        continue;  // derived: made when a query needs one
      }
      if (named.contains(object.name)) {
        continue;
      }
      if (start_.is_trusted) {
        MILLRACE_TRY_STATUS(judge(object.name));
      } else {
        ++unjudged;
      }
    }
    if (unjudged != 0) {
      work_.report.unchecked.push_back(
          fmt::format("{} under tables/ that catalog.db does not name: journal and catalog would "
                      "have to be whole, and fit each other",
                      unjudged == 1 ? "1 file" : fmt::format("{} files", unjudged)));
    }
    return {};
  }

 private:
  Status check_row(const FileRow& row) {
    ++work_.report.table_files;
    const std::string& table = names_[row.partition.topic];
    const tables::TableFile file = tables::file_of(row, store_);
    if (start_.is_trusted && !start_.tables.contains(row.partition.topic)) {
      work_.add({.kind = Kind::kLeftover,
                 .problem = "dropped-table",
                 .file = file.path,
                 .what = fmt::format("its table {} was deleted", table),
                 .advice = "nothing: the next start removes it with its row of the catalog",
                 .cure = Cure::kWait});
      return {};
    }
    Status status =
        tables::check_file(file, row.partition, store_, runtime::Deadline::never(), system_clock());
    if (!status.ok() && status.error().code == Code::kOverloaded) {
      return status;
    }
    if (!status.ok()) {
      work_.add(
          {.problem = "table-file",
           .file = file.path,
           .what = fmt::format("{} (table {}, {} rows)", status.error().message, table, row.rows),
           .touched = {{row.partition, row.first, row.next}},
           .advice = "put the file back from a copy; until then queries on the table fail"});
    }
    return work_.read(row.bytes);
  }

  /// A file that the catalog does not name.
  Status judge(const std::string& name) {
    std::vector<Touched> touched;
    for (const auto& [topic, table] : start_.tables) {
      const TopicPartition partition{topic, PartitionId{0}};
      const auto found = catalog_.table_offsets.find(partition);
      const Offset in_files = found == catalog_.table_offsets.end() ? Offset{} : found->second;
      if (tables::is_made_again(name, table.name, partition, start_.range(partition), in_files)) {
        work_.add(
            {.kind = Kind::kLeftover,
             .problem = "unnamed-file",
             .file = store_.location_of(name),
             .what = "catalog.db does not name it, and its rows are replayed from the journal",
             .advice = "nothing: the next start removes it",
             .cure = Cure::kTable,
             .name = name});
        return {};
      }
      if (const auto range = tables::offsets_named(name, table.name, partition)) {
        touched.push_back({partition, range->start, range->end});
      }
      MILLRACE_TRY(const bool is_lost,
                   tables::lost_its_row(name, table, in_files, catalog_, store_));
      if (is_lost) {
        work_.add({.problem = "forgotten-file",
                   .file = store_.location_of(name),
                   .what = "catalog.db has lost its row, and its rows are in no other file",
                   .touched = std::move(touched),
                   .advice = "put a copy of catalog.db back, or make it again: millrace rebuild "
                             "--replace; until then queries on the table fail"});
        return {};
      }
    }
    if (is_of_deleted_table(name)) {
      work_.add({.kind = Kind::kLeftover,
                 .problem = "dropped-table",
                 .file = store_.location_of(name),
                 .what = "catalog.db does not name it, and its table was deleted",
                 .advice = "nothing: the next start removes it"});
      return {};
    }
    work_.add(
        {.problem = "unknown-file",
         .file = store_.location_of(name),
         .what = "catalog.db does not name it, and its rows are not replayed from the journal",
         .touched = std::move(touched),
         .advice = "see where it comes from; the next start moves it to quarantine/"});
    return {};
  }

  /// As long as the journal knows of it.
  bool is_of_deleted_table(const std::string& name) const {
    return std::ranges::any_of(start_.topics, [&](const auto& entry) {
      const broker::TopicRecord& topic = entry.second;
      return topic.is_deleted &&
             tables::folder_of_topic(topic.name, topic.id) == io::parent_of(name);
    });
  }

  Work& work_;
  objects::ObjectStore& store_;
  const catalog::Contents& catalog_;
  const Start& start_;
  std::map<TopicId, std::string> names_;
};

}  // namespace

Status check_tables(Work& work, objects::ObjectStore& store, const catalog::Contents* catalog,
                    const Start& start) {
  if (catalog == nullptr) {
    work.report.unchecked.emplace_back("files under tables/: catalog.db cannot be read");
    return {};
  }
  return TableCheck(work, store, *catalog, start).run();
}

}  // namespace millrace::fsck
