#include "server/open_files.h"

#include <sys/resource.h>

namespace millrace::server {

Status raise_open_file_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // where it is refused, the limit stays what it was
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < kFewestOpenFiles) {
    return make_error(Code::kOverloaded,
                      "this process may have {} files open and needs at least {}, plus one for "
                      "each connection: raise the limit (ulimit -n 65536, LimitNOFILE= of systemd)",
                      limit.rlim_cur, kFewestOpenFiles);
  }
  return {};
}

}  // namespace millrace::server
