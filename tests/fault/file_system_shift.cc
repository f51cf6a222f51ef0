// Puts folders on a file system of another kind: preloaded (LD_PRELOAD), statfs(2) of a path that
// ends with FILE_SYSTEM_SHIFT_SUFFIX says that it is NFS.
#include <dlfcn.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <cstdlib>
#include <string_view>

extern "C" int statfs(const char* path, struct statfs* system) {
  using Function = int (*)(const char*, struct statfs*);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "statfs"));
  const int answer = real(path, system);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  const char* suffix = std::getenv("FILE_SYSTEM_SHIFT_SUFFIX");
  if (answer == 0 && suffix != nullptr && std::string_view(path).ends_with(suffix)) {
    system->f_type = NFS_SUPER_MAGIC;
  }
  return answer;
}
