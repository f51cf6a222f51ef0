// The file of a cached block: a part of an object, with what tells which part of which one it is.
// Format: docs/formats/cache.md
#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::objects {

struct CachedBlock {
  static constexpr size_t kHeaderBytes = 32;  // the name and the content follow

  std::string_view object;             // its name
  uint64_t object_bytes = 0;           // of the whole object
  uint64_t position = 0;               // of the block in the object
  std::span<const std::byte> content;  // at least one byte

  uint64_t file_bytes() const { return kHeaderBytes + object.size() + content.size(); }

  /// What stands before the content, its CRC included.
  std::vector<std::byte> encode_head() const;

  /// Of a whole file, whose bytes the result refers to.
  /// Errors: kCorrupt (says what is wrong), kUnsupported (another version).
  static Result<CachedBlock> parse(std::span<const std::byte> file);
};

}  // namespace millrace::objects
