// A new journal that does not begin from nothing: it goes on where another one ended that is lost.
#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "io/disk.h"
#include "journal/writer.h"
#include "record/system_frame.h"

#include <string>
#include <vector>

namespace millrace::journal {

/// What a new journal knows from its first run on.
struct Seed {
  struct Partition {
    TopicPartition partition;
    Offset next;  // what is below it is somewhere else
  };

  std::vector<record::SystemFrame> facts;  // puts
  std::vector<Partition> partitions;
};

/// Makes a journal in `path`, which is empty or not there, as a start would have left it, and
/// closes it. Where it was made, a rename may move it. Returns a durable run of it. Errors: kIo,
/// kOverloaded (disk full); what is left then is to be removed.
Result<JournalPlace> make_journal(io::Disk& disk, const std::string& path,
                                  const DirectoryId& directory, const Seed& seed,
                                  const WriterOptions& options, const Clock& clock);

}  // namespace millrace::journal
