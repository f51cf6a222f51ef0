// Facts that must commit together with records: puts and removes by (kind, key) in the journal.
// Format: docs/formats/journal.md, "System frames".
#pragma once

#include "base/result.h"
#include "bytes/buffer.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace millrace::record {

/// Each kind has one owner, which encodes its values and applies them after recovery.
/// Numbers are on disk: never reuse one.
enum class SystemKind : uint16_t {
  kPartition = 1,    // journal/: next and start offset; in checkpoints only
  kBatchId = 2,      // journal/: an HTTP batch id and the answer it got
  kTopic = 3,        // broker/: a topic's name, partitions and settings, or its tombstone
  kSchema = 4,       // tables/: a table's columns
  kReservation = 5,  // journal/: offsets that may be acknowledged before their sync
  kStart = 6,        // broker/: records of a partition below an offset are deleted
  kDatabase = 7,     // tables/: a database that was created by its name
};

/// "partition", "batch_id", ...; empty for a number this program does not know.
std::string_view name_of(SystemKind kind);

struct SystemFrame {
  SystemKind kind{};
  bool is_removal = false;
  std::string key;
  std::string value;  // empty in a removal

  /// The payload of a journal frame.
  bytes::Buffer encode() const;
  /// kCorrupt: too short, a key longer than the payload, a flag that is neither put nor remove.
  /// kUnsupported: a kind that this program does not know, named by number.
  static Result<SystemFrame> decode(std::span<const std::byte> payload);

  bool operator==(const SystemFrame&) const = default;
};

}  // namespace millrace::record
