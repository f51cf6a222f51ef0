#include "io/appender.h"

#include "io/buffered_appender.h"

#include <algorithm>
#include <array>

namespace millrace::io {
namespace {

constexpr size_t kLeastBuffer = size_t{4} << 10;
constexpr size_t kMostBuffer = size_t{4} << 20;
constexpr size_t kLeastBuffers = 2;
constexpr size_t kMostBuffers = 64;

constexpr std::array<std::string_view, 3> kNames{"page_cache", "direct", "io_uring"};

}  // namespace

std::string_view name_of(AppendMethod method) {
  return kNames.at(static_cast<size_t>(method));
}

std::optional<AppendMethod> append_method_of(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  return found == kNames.end() ? std::nullopt
                               : std::optional(static_cast<AppendMethod>(found - kNames.begin()));
}

Result<std::unique_ptr<Appender>> open_appender(Disk& disk, const std::string& path, OpenMode mode,
                                                uint64_t position, const AppenderOptions& options) {
  if (options.buffer_bytes % kDirectBlock != 0 || options.buffer_bytes < kLeastBuffer ||
      options.buffer_bytes > kMostBuffer) {
    return make_error(Code::kInvalid, "buffers of {} bytes, must be {} to {}, a multiple of {}",
                      options.buffer_bytes, kLeastBuffer, kMostBuffer, kDirectBlock);
  }
  if (options.buffers < kLeastBuffers || options.buffers > kMostBuffers) {
    return make_error(Code::kInvalid, "{} buffers, must be {} to {}", options.buffers,
                      kLeastBuffers, kMostBuffers);
  }
  const bool is_direct = options.method != AppendMethod::kPageCache;
  MILLRACE_TRY(auto file, disk.open(path, mode, is_direct ? Access::kDirect : Access::kPageCache));
  return make_buffered_appender(std::move(file), position, options);
}

}  // namespace millrace::io
