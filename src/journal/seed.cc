#include "journal/seed.h"

#include "journal/open.h"

namespace millrace::journal {
namespace {

State state_of(const Seed& seed) {
  State state;
  for (const record::SystemFrame& fact : seed.facts) {
    state.apply(fact);
  }
  for (const Seed::Partition& each : seed.partitions) {
    state.begin(each.partition, each.next);
  }
  return state;
}

}  // namespace

Result<JournalPlace> make_journal(io::Disk& disk, const std::string& path,
                                  const DirectoryId& directory, const Seed& seed,
                                  const WriterOptions& options, const Clock& clock) {
  MILLRACE_TRY_STATUS(disk.make_directories(path));
  {
    Files files(disk, path);
    Index index;
    MILLRACE_TRY(const Tail tail,
                 Writer::create(files, index, directory, FileNumber{1}, options, state_of(seed)));
  }
  // As a start does it: what the disk has is read back, and the checkpoint proven.
  Files files(disk, path);
  Index index;
  RecoveryOptions recovery;
  recovery.quarantine = path;
  recovery.expected = directory;
  recovery.writer = options;
  MILLRACE_TRY(const OpenedWriter opened, open_writer(files, index, recovery, clock));
  MILLRACE_TRY_STATUS(opened.writer->finish());
  return opened.writer->place();
}

}  // namespace millrace::journal
