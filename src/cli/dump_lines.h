// Where the lines of `millrace dump` go.
#pragma once

#include "base/result.h"
#include "cli/dump_format.h"

#include <cstdint>
#include <span>
#include <string>

namespace millrace::cli {

/// Prints line after line, and counts those of damage. One thread.
class DumpLines {
 public:
  struct Wishes {
    bool as_json = false;
    bool with_records = false;
  };

  explicit DumpLines(const Wishes& wishes) : wishes_(wishes) {}

  void print(const nlohmann::ordered_json& described) const;
  void damage(const std::string& what);

  /// A batch whose bytes have been checked, and its records if they are asked for. `frame`: as the
  /// journal has it, or would.
  void batch(const journal::FrameHeader& frame, std::span<const std::byte> payload);

  uint64_t damaged() const { return damaged_; }

  TopicNames& names() { return names_; }

 private:
  Status records(const journal::FrameHeader& frame, std::span<const std::byte> payload) const;

  const Wishes wishes_;
  TopicNames names_;
  uint64_t damaged_ = 0;
};

}  // namespace millrace::cli
