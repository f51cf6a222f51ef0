// What `millrace bench append` measures: one case is one row of its tables.
#pragma once

#include "base/result.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::bench {

/// Four exhibits (exhibits.h), the three ways of io::Appender, and the disk itself.
enum class Method : uint8_t {
  kWrite,
  kBuffered,
  kPageAligned,
  kMapped,
  kPageCache,
  kDirect,
  kUring,
  kRawDisk,  // whole, ready buffers by O_DIRECT, eight under way: what the disk can do without us
};

/// "write", "buffered", "page_aligned", "mapped", "page_cache", "direct", "io_uring", "raw_disk".
std::string_view name_of(Method method);
/// Errors: kInvalid, with all names.
Result<Method> parse_method(std::string_view text);
/// Those whose buffers have a size.
bool has_buffer(Method method);

/// When what was appended is made durable.
struct Policy {
  enum class Kind : uint8_t {
    kNone,      // never: the system has it, and writes it when it likes
    kEnd,       // once, after the last record
    kEach,      // after each record, one sync for each
    kEvery,     // after every n-th record of a thread
    kInterval,  // by a thread of its own, and at the end
    kGroup,     // after each record, those that come together by one sync
  };

  Kind kind = Kind::kEnd;
  uint64_t every = 0;                    // of kEvery
  std::chrono::milliseconds interval{};  // of kInterval

  friend bool operator==(const Policy&, const Policy&) = default;
};

/// "none", "end", "each", "every-100", "10ms", "group".
std::string name_of(const Policy& policy);
/// Errors: kInvalid, with the forms.
Result<Policy> parse_policy(std::string_view text);

/// What the file is before the first record.
enum class Ground : uint8_t {
  kFresh,     // new and empty: the file system finds blocks as it grows
  kReserved,  // new, with room for all, which is made within the measured time
  kRecycled,  // written over, as the files of the journal are
};

std::string_view name_of(Ground ground);

struct Case {
  Method method = Method::kPageCache;
  size_t buffer_bytes = 0;  // 0 where has_buffer() is false
  size_t record_bytes = 0;
  uint64_t records = 0;    // of all threads
  size_t batch_bytes = 0;  // records are put together to so many bytes first; 0: they are not
  Policy policy;
  unsigned threads = 1;
  bool is_shared = true;  // one appender for all threads, else one each
  Ground ground = Ground::kFresh;

  uint64_t bytes() const { return record_bytes * records; }
};

/// Cases that are run in turns and shown in one table.
struct Scenario {
  std::string title;
  unsigned repeats = 0;
  std::vector<Case> cases;
};

}  // namespace millrace::bench
