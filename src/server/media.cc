#include "server/media.h"

#include "base/log.h"
#include "io/disk.h"
#include "io/medium.h"

namespace millrace::server {
namespace {

constexpr uint64_t kRotationalRunBytes = uint64_t{16} << 20;

}  // namespace

Status check_medium(const std::string& data) {
  MILLRACE_TRY(const io::Medium medium, io::medium_of(data));
  return medium.is_network
             ? make_error(Code::kInvalid,
                          "data: {} is on a network file system ({}), where its lock and its "
                          "catalog are not safe; name a directory on a disk of this machine",
                          data, medium.file_system)
             : Status();
}

uint64_t run_bytes(const io::Medium& medium, uint64_t wished) {
  if (wished != 0) {
    return wished;
  }
  return medium.is_rotational ? kRotationalRunBytes : journal::WriterOptions().run_bytes;
}

Status look_at_medium(journal::JournalOptions& journal, uint64_t wished_run_bytes) {
  MILLRACE_TRY_STATUS(io::posix_disk().make_directories(journal.directory));
  MILLRACE_TRY(const io::Medium medium, io::medium_of(journal.directory));
  if (medium.is_network) {
    log::warning("journal",
                 "{} is on a network file system ({}): each write waits for its server, and is as "
                 "durable as that says",
                 journal.directory, medium.file_system);
  }
  journal.recovery.writer.run_bytes = run_bytes(medium, wished_run_bytes);
  return {};
}

}  // namespace millrace::server
