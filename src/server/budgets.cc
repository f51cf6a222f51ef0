#include "server/budgets.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>

namespace millrace::server {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kLeastFile = kMiB;

uint64_t machine_memory() {
  const auto pages = static_cast<uint64_t>(std::max(::sysconf(_SC_PHYS_PAGES), 0L));
  uint64_t memory = pages * static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE));
  std::ifstream cgroup("/sys/fs/cgroup/memory.max");  // "max" or a number
  std::string text;
  uint64_t limit = 0;
  if (cgroup >> text &&
      std::from_chars(text.data(), text.data() + text.size(), limit).ec == std::errc{}) {
    memory = std::min(memory, limit);
  }
  return memory;
}

}  // namespace

Budgets budgets_for(uint64_t memory_bytes) {
  const uint64_t total = memory_bytes != 0 ? memory_bytes : std::min(kGiB, machine_memory() / 4);
  return {.total = total,
          .request_buffers = total / 100 * 16,
          .tail_cache = total / 20,
          .reads = total / 20,
          .journal_chunks = total / 100 * 3,
          .segment_indexes = total / 100,
          .hot_rows = total / 100 * 45,
          .queries = total / 4};
}

Result<journal::WriterOptions> journal_limits(io::Disk& disk, const Options& options) {
  journal::WriterOptions limits;
  limits.max_bytes = options.journal_max_bytes;
  if (limits.max_bytes == 0) {
    MILLRACE_TRY(const io::Space space, disk.space(options.data));
    uint64_t held = 0;
    if (const auto files = disk.list(options.data + "/journal"); files.ok()) {
      for (const auto& file : *files) {
        held += file.size;
      }
    }
    limits.max_bytes =
        std::max(std::min(50 * kGiB, (space.free_bytes + held) / 2), kFilesInJournal * kLeastFile);
  }
  if (limits.max_bytes < kFilesInJournal * kLeastFile) {
    return make_error(Code::kInvalid,
                      "journal.max_bytes: {} is too small, at least {} files of 1 MiB must fit",
                      limits.max_bytes, kFilesInJournal);
  }
  limits.file_bytes =
      std::clamp(options.journal_file_bytes, kLeastFile, limits.max_bytes / kFilesInJournal);
  limits.first_file_bytes = std::min(limits.first_file_bytes, limits.file_bytes);
  limits.interval = options.journal_interval;
  limits.method = io::append_method_of(options.journal_write_method);  // "auto" is none
  return limits;
}

}  // namespace millrace::server
