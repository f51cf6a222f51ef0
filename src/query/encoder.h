// What turns a result's chunks into an answer's bytes.
#pragma once

#include "base/result.h"
#include "query/result_type.h"

#include <cstddef>
#include <string>
#include <vector>

namespace millrace::query {

struct ResultColumn {
  std::string name;
  ResultType type;
};

/// One result: begin, chunks, finish. Not for two threads.
class Encoder {
 public:
  virtual ~Encoder() = default;

  /// kUnsupported: a column's type has no form here.
  virtual Status begin(std::vector<ResultColumn> columns) = 0;
  /// kInvalid: the answer is larger than its limit.
  virtual Status add(duckdb_data_chunk chunk) = 0;
  /// The answer in pieces of about kPieceBytes. Errors: as add().
  virtual Result<std::vector<std::string>> finish() = 0;
};

}  // namespace millrace::query
