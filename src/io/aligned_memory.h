// Memory as O_DIRECT takes it.
#pragma once

#include "io/disk.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace millrace::io {

struct FreeMemory {
  void operator()(std::byte* bytes) const { std::free(bytes); }
};

using AlignedMemory = std::unique_ptr<std::byte, FreeMemory>;

/// `size` zeros, a multiple of kDirectBlock that begin at one; null when there is no memory.
inline AlignedMemory aligned_memory(size_t size) {
  AlignedMemory memory(static_cast<std::byte*>(std::aligned_alloc(kDirectBlock, size)));
  if (memory) {
    std::memset(memory.get(), 0, size);  // the pages are there from the start
  }
  return memory;
}

}  // namespace millrace::io
