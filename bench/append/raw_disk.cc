#include "bench/append/raw_disk.h"

#include "io/aligned_memory.h"
#include "io/write_queue.h"

#include <algorithm>
#include <memory>

namespace millrace::bench {
Status write_raw(io::Disk& disk, const std::string& path, uint64_t bytes, size_t buffer_bytes) {
  if (buffer_bytes == 0 || buffer_bytes % io::kDirectBlock != 0 || bytes % io::kDirectBlock != 0) {
    return make_error(Code::kInvalid, "{} bytes by {}: no whole blocks", bytes, buffer_bytes);
  }
  MILLRACE_TRY(const auto file, disk.open(path, io::OpenMode::kReadWrite, io::Access::kDirect));
  const io::AlignedMemory buffer = io::aligned_memory(buffer_bytes);
  if (!buffer) {
    return make_error(Code::kOverloaded, "no memory for a buffer of {} bytes", buffer_bytes);
  }
  MILLRACE_TRY(const auto queue, file->make_queue(kRawDepth));
  const auto next = [&](uint64_t at) {
    return io::ConstBytes(buffer.get(), std::min<uint64_t>(buffer_bytes, bytes - at));
  };
  size_t under_way = 0;
  for (uint64_t at = 0; at < bytes || under_way > 0;) {
    if (at < bytes && under_way < kRawDepth) {
      MILLRACE_TRY_STATUS(queue->submit(at, next(at), at));
      at += next(at).size();
      ++under_way;
      continue;
    }
    const io::WriteQueue::Done done = queue->wait();
    --under_way;
    if (!done.written.ok()) {
      return done.written.error();
    }
    if (*done.written != next(done.id).size()) {
      return make_error(Code::kIo, "{}: a write of the disk's measure was short", path);
    }
  }
  return file->sync();
}

}  // namespace millrace::bench
