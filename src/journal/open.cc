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
  WriterOptions writer = options.writer;
  opened.report.method =
      writer.method ? Probed{*writer.method, ""} : probe(files.disk(), files.directory(), clock);
  writer.method = opened.report.method.method;
  if (recovered.is_new) {
    const DirectoryId directory = options.expected.value_or(DirectoryId(Uuid::random()));
    MILLRACE_TRY(recovered.tail, Writer::create(files, index, directory,
                                                next(recovered.tail.greatest_number), writer));
  }
  opened.report.directory = recovered.tail.directory;
  MILLRACE_TRY(opened.writer, Writer::open(files, index, std::move(recovered.state),
                                           std::move(recovered.tail), writer, clock));
  MILLRACE_TRY(opened.report.gaps, opened.writer->fill_gaps());
  MILLRACE_TRY_STATUS(opened.writer->prove());
  return opened;
}

}  // namespace millrace::journal
