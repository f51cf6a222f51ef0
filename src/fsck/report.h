// What a check of a data directory found, and what was read for it.
#pragma once

#include "base/ids.h"
#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace::fsck {

enum class Kind : uint8_t {
  kDamage,    // something acknowledged may be lost or unreadable, or nobody can tell
  kLeftover,  // what a crash leaves: the next start removes or ignores it
};

/// Offsets [first, next) of a partition.
struct Touched {
  TopicPartition partition;
  Offset first;
  Offset next;
};

/// What repair() does about it.
enum class Cure : uint8_t {
  kNone,    // damage
  kFile,    // removes the file, which never holds a record
  kObject,  // removes the segment object, once journal and catalog are durable
  kTable,   // removes the table file, once they are
  kStart,   // does what recovery of the journal does at a start
  kWait,    // nothing: the next start does
};

struct Finding {
  Kind kind = Kind::kDamage;
  std::string problem;               // one word for programs, as "payload": docs/operations.md
  std::string file;                  // or the URL of an object
  std::optional<uint64_t> position;  // in it
  std::string what;
  std::vector<Touched> touched;  // that may be lost or unreadable, as far as it is known
  std::string advice;            // what to do
  Cure cure = Cure::kNone;
  std::string name;  // of kObject and kTable: in its store
};

struct Report {
  std::vector<Finding> findings;
  std::map<TopicId, std::string> names;  // of topics, as far as journal and catalog tell
  std::vector<std::string> unchecked;    // what could not be judged, and why
  uint64_t journal_files = 0;
  uint64_t objects = 0;
  uint64_t table_files = 0;
  uint64_t bytes = 0;  // read, of all of them
  size_t repaired = 0;

  size_t count(Kind kind) const;
};

}  // namespace millrace::fsck
