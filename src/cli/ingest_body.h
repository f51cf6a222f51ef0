// Requests of rows for `bench ingest`, built before the load begins.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace millrace::cli {

enum class IngestFormat : uint8_t { kMsgpack, kLine };

/// A request with its head, whole but for the times: one sending after the other gives each row a
/// time of its own, so that no table takes two for the same row. Five columns: time, host (a tag
/// of 1,000 values), and the doubles usage, idle and load.
struct IngestBody {
  std::string message;          // head and body
  size_t body_bytes = 0;        // of it
  std::vector<uint32_t> times;  // where in `message` each row's time stands
  int64_t usage_64ths = 0;  // sum of usage, whose values are whole 64ths: no sum of them is rounded
  size_t measurement = 0;   // "m0", "m1", ...
};

struct IngestShape {
  IngestFormat format = IngestFormat::kMsgpack;
  std::string host;  // HOST:PORT, for the head
  std::string database;
  size_t rows = 1000;
};

/// "m0" for 0.
std::string measurement_name(size_t measurement);

/// The same for the same `seed`, but for the times, which stamp() sets.
IngestBody make_ingest_body(const IngestShape& shape, size_t measurement, uint64_t seed);

/// Milliseconds that the rows of one request lie in.
int64_t ingest_span_ms(size_t rows);

/// Writes the rows' times into `message`, a copy of `body.message`: from `first_ms` (13 digits,
/// since 1970) on, one microsecond (MessagePack) or nanosecond (line protocol) a row.
void stamp(IngestFormat format, const IngestBody& body, int64_t first_ms, std::string& message);

}  // namespace millrace::cli
