#include "fsck/fsck.h"

#include "catalog/sqlite_catalog.h"
#include "fsck/journal_check.h"
#include "fsck/leftovers.h"
#include "fsck/segment_check.h"
#include "fsck/start.h"
#include "fsck/table_check.h"
#include "fsck/work.h"
#include "io/frozen_disk.h"
#include "journal/recovery.h"
#include "objects/local_store.h"
#include "segment/format.h"

#include <algorithm>

namespace millrace::fsck {
namespace {

/// nullptr: the bucket's.
std::unique_ptr<objects::LocalStore> own_segments(const Subject& subject, io::Disk& disk) {
  return subject.bucket != nullptr ? nullptr : objects::LocalStore::view(disk, subject.data);
}

Result<uint64_t> bytes_to_read(Work& work, objects::ObjectStore& segments,
                               objects::ObjectStore& tables) {
  uint64_t bytes = 0;
  MILLRACE_TRY(const auto journal, work.disk.list(work.data + "/journal"));
  for (const auto& entry : journal) {
    bytes += journal::number_of(entry.name) ? entry.size : 0;
  }
  MILLRACE_TRY(const auto objects, segments.list(segment::kFolder));
  MILLRACE_TRY(const auto files, tables.list(""));
  for (const auto* list : {&objects, &files}) {
    for (const objects::ObjectInfo& object : *list) {
      bytes += object.bytes;
    }
  }
  return bytes;
}

/// nullopt: it cannot be read, and a finding says so.
Result<std::optional<catalog::Contents>> check_catalog(Work& work) {
  const std::string path = work.data + "/catalog.db";
  auto inspected = catalog::inspect_sqlite(work.disk, path);
  if (!inspected.ok()) {
    const Code code = inspected.error().code;
    if (code != Code::kCorrupt && code != Code::kUnsupported && code != Code::kIo) {
      return inspected.error();
    }
    const std::string advice =
        "put a copy of it back, together with its -wal file if there is one, or make it again: "
        "millrace rebuild --replace";
    work.add({.problem = "catalog",
              .file = path,
              .what = inspected.error().message,
              .advice = code == Code::kUnsupported
                            ? "use the newer program that wrote it; if none did, " + advice
                            : advice});
    work.report.unchecked.emplace_back("whether journal and catalog belong together");
    return std::optional<catalog::Contents>();
  }
  if (inspected->contents.is_new) {
    work.add({.kind = Kind::kLeftover,
              .problem = "no-catalog",
              .file = path,
              .what = "it is not there",
              .advice =
                  "put a copy of it back, or make it again: millrace rebuild; where the journal "
                  "has everything, a start makes it anew",
              .cure = Cure::kWait});
  }
  if (const auto& broken = inspected->broken; broken) {
    work.add({.problem = "catalog-rule",
              .file = path,
              .what = "its rows contradict each other: " + broken->message,
              .advice = "put a copy of catalog.db back, of the same time as the journal"});
  }
  for (const catalog::TopicRow& topic : inspected->contents.topics) {
    work.report.names[topic.id] = topic.name;
  }
  return std::optional(std::move(inspected->contents));
}

bool has_journal_damage(const Work& work) {
  return std::ranges::any_of(work.report.findings, [&](const Finding& finding) {
    return finding.kind == Kind::kDamage && finding.file.starts_with(work.data + "/journal/");
  });
}

/// What a start would refuse is damage, also where the check itself found none.
Result<Start> judge(Work& work, const std::optional<catalog::Contents>& contents,
                    objects::ObjectStore& segments) {
  const bool has_damage = has_journal_damage(work);
  if (!contents) {
    Start unknown;
    return unknown;
  }
  MILLRACE_TRY(Start start, judge_start(work, *contents, segments));
  if (start.refused) {
    work.report.unchecked.emplace_back("whether journal and catalog belong together");
    if (!has_damage) {
      work.add({.problem = "journal",
                .file = work.data + "/journal",
                .what = start.refused->message,
                .advice = "see what the error says"});
    }
  }
  if (!start.directory) {
    start.directory = contents->directory;
  }
  return start;
}

bool is_clean(const Finding& finding) {
  return finding.cure == Cure::kFile || finding.cure == Cure::kObject ||
         finding.cure == Cure::kTable || finding.cure == Cure::kStart;
}

/// What a start does before it relies on either: until then the page cache alone may have what they
/// say.
Status make_durable(const Subject& subject) {
  MILLRACE_TRY(const auto catalog,
               catalog::open_sqlite(subject.disk, subject.data + "/catalog.db"));
  journal::Files files(subject.disk, subject.data + "/journal");
  journal::Index index;
  journal::RecoveryOptions options;
  options.quarantine = subject.data + "/quarantine";
  options.expected = catalog->contents().directory;
  MILLRACE_TRY(const auto recovered, journal::recover(files, index, options));
  MILLRACE_TRY_STATUS(subject.disk.sync_directory(files.directory()));
  const auto& directory = catalog->contents().directory;
  if (!directory) {
    return {};  // it is new: the first start makes it
  }
  MILLRACE_TRY_STATUS(catalog->begin(*directory));
  return catalog->close();
}

Status remove(io::Disk& disk, const std::string& path) {
  if (Status removed = disk.remove(path);
      !removed.ok() && removed.error().code != Code::kNotFound) {
    return removed;
  }
  return disk.sync_directory(io::parent_of(path));
}

}  // namespace

Status look_for_directory(const Subject& subject) {
  MILLRACE_TRY(const bool has_journal, subject.disk.exists(subject.data + "/journal"));
  MILLRACE_TRY(const bool has_catalog, subject.disk.exists(subject.data + "/catalog.db"));
  if (!has_journal && !has_catalog) {
    return make_error(Code::kInvalid,
                      "{}: no data directory of a server: neither journal/ nor catalog.db is there",
                      subject.data);
  }
  return {};
}

Result<Report> check_directory(const Subject& subject, const CheckOptions& options) {
  io::FrozenDisk disk(subject.disk);
  Report report;
  uint64_t total = 0;
  Work work{
      .disk = disk, .data = subject.data, .report = report, .progress = {}, .stop = options.stop};
  if (options.progress) {
    work.progress = [&](uint64_t done) { options.progress(done, total); };
  }
  const auto own = own_segments(subject, disk);
  objects::ObjectStore& segments = own ? *own : *subject.bucket;
  const auto tables = objects::LocalStore::view(disk, subject.data + "/tables");
  MILLRACE_TRY(total, bytes_to_read(work, segments, *tables));

  MILLRACE_TRY(const auto contents, check_catalog(work));
  if (contents) {
    MILLRACE_TRY_STATUS(catalog::check_store(*contents, subject.store));
  }
  MILLRACE_TRY_STATUS(check_journal(work, contents.value_or(catalog::Contents())));
  MILLRACE_TRY(const Start start, judge(work, contents, segments));
  const catalog::Contents* catalog = contents ? &*contents : nullptr;
  MILLRACE_TRY_STATUS(check_segments(work, segments, catalog, start));
  MILLRACE_TRY_STATUS(check_tables(work, *tables, catalog, start));
  const bool is_trusted =
      std::ranges::find(report.findings, "distrust", &Finding::problem) == report.findings.end();
  MILLRACE_TRY_STATUS(find_leftovers(work, segments, is_trusted));
  return report;
}

Status repair(const Subject& subject, Report& report) {
  const bool is_whole = report.count(Kind::kDamage) == 0;
  const bool is_needed = std::ranges::any_of(report.findings, [](const Finding& finding) {
    return is_clean(finding) && finding.cure != Cure::kFile;
  });
  if (is_whole && is_needed) {
    MILLRACE_TRY_STATUS(make_durable(subject));
  }
  const auto own = own_segments(subject, subject.disk);
  objects::ObjectStore& segments = own ? *own : *subject.bucket;
  const auto tables = objects::LocalStore::view(subject.disk, subject.data + "/tables");
  for (const Finding& finding : report.findings) {
    if (!is_clean(finding) || (!is_whole && finding.cure != Cure::kFile)) {
      continue;
    }
    if (finding.cure == Cure::kFile) {
      MILLRACE_TRY_STATUS(remove(subject.disk, finding.file));
    } else if (finding.cure != Cure::kStart) {
      objects::ObjectStore& store = finding.cure == Cure::kObject ? segments : *tables;
      if (Status removed = store.remove(finding.name);
          !removed.ok() && removed.error().code != Code::kNotFound) {
        return removed;
      }
    }
    ++report.repaired;
  }
  return {};
}

}  // namespace millrace::fsck
