#include "io/disk.h"

namespace millrace::io {

Status File::read_exactly_at(uint64_t position, MutableBytes out) const {
  MILLRACE_TRY(const size_t read, read_at(position, out));
  if (read != out.size()) {
    return make_error(Code::kCorrupt, "{}: ends at {}, wanted {} bytes at {}", path(),
                      position + read, out.size(), position);
  }
  return {};
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<std::vector<std::byte>> Disk::read_file(const std::string& path) {
  MILLRACE_TRY(const auto file, open(path, OpenMode::kRead));
  MILLRACE_TRY(const uint64_t size, file->size());
  std::vector<std::byte> content(size);
  MILLRACE_TRY_STATUS(file->read_exactly_at(0, content));
  return content;
}

Status Disk::replace_file(const std::string& path, ConstBytes content) {
  const std::string temporary = path + ".tmp";
  {
    MILLRACE_TRY(const auto file, open(temporary, OpenMode::kCreate));
    MILLRACE_TRY_STATUS(file->resize(0));
    MILLRACE_TRY_STATUS(file->write_at(0, content));
    MILLRACE_TRY_STATUS(file->sync());
  }
  MILLRACE_TRY_STATUS(rename(temporary, path));
  return sync_directory(parent_of(path));
}

}  // namespace millrace::io
