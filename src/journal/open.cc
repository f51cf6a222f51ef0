#include "journal/open.h"

namespace millrace::journal {

Result<OpenedWriter> open_writer(Files& files, Index& index, const RecoveryOptions& options,
                                 const Clock& clock) {
  MILLRACE_TRY_STATUS(files.disk().make_directories(files.directory()));
  MILLRACE_TRY(Recovered recovered, recover(files, index, options));
  OpenedWriter opened;
  opened.report.is_new = recovered.is_new;
  opened.report.runs_walked = recovered.runs_walked;
  opened.report.runs_rewritten = recovered.runs_rewritten;
  opened.report.torn = std::move(recovered.torn);
  if (recovered.is_new) {
    const DirectoryId directory = options.expected.value_or(DirectoryId(Uuid::random()));
    MILLRACE_TRY(recovered.tail,
                 Writer::create(files, index, directory, next(recovered.tail.greatest_number),
                                options.writer));
  }
  opened.report.directory = recovered.tail.directory;
  opened.writer = std::make_unique<Writer>(files, index, std::move(recovered.state),
                                           std::move(recovered.tail), options.writer, clock);
  MILLRACE_TRY_STATUS(opened.writer->prove());
  return opened;
}

}  // namespace millrace::journal
