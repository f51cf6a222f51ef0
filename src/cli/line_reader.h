// Lines of a descriptor, given up when something else is to be done.
#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace millrace::cli {

/// One thread.
class LineReader {
 public:
  /// Both descriptors stay the caller's. `name` is for errors; `stop` is readable when reading is
  /// to end.
  LineReader(int descriptor, std::string name, int stop)
      : descriptor_(descriptor), name_(std::move(name)), stop_(stop) {}

  /// The next line without its newline, valid until the next call; the last one need not have a
  /// newline. nullopt at the end, and once `stop` is readable and no whole line was read ahead.
  /// Errors: of read(2).
  Result<std::optional<std::string_view>> next();

 private:
  /// Whether more came. False at the end, or when told to stop.
  Result<bool> fill();

  int descriptor_;
  std::string name_;
  int stop_;
  std::string buffer_;
  size_t begin_ = 0;  // of the next line
  bool is_done_ = false;
};

}  // namespace millrace::cli
