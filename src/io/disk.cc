#include "io/disk.h"

#include "io/write_queue.h"

#include <algorithm>
#include <array>

namespace millrace::io {
namespace {

constexpr size_t kPartsPerCall = 256;  // below IOV_MAX (1024)

}  // namespace

Status File::write_at(uint64_t position, std::span<const ConstBytes> parts) {
  std::array<ConstBytes, kPartsPerCall> rest;
  size_t part = 0;  // first part not wholly written
  size_t skip = 0;  // bytes of it that are written
  while (part < parts.size()) {
    const size_t count = std::min(kPartsPerCall, parts.size() - part);
    std::copy_n(parts.begin() + static_cast<std::ptrdiff_t>(part), count, rest.begin());
    rest[0] = rest[0].subspan(skip);
    MILLRACE_TRY(const size_t written, write_some(position, std::span(rest).first(count)));
    position += written;
    skip += written;
    while (part < parts.size() && skip >= parts[part].size()) {
      skip -= parts[part++].size();
    }
  }
  return {};
}

void File::begin_writeback(uint64_t, uint64_t) {}

Result<std::unique_ptr<WriteQueue>> File::make_queue(unsigned) {
  return make_error(Code::kUnsupported, "{}: no queue of writes", path());
}

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
