// A result as {"columns":[{"name":"n","type":"BIGINT"}],"rows":[[1],[2]]}.
#pragma once

#include "query/encoder.h"
#include "query/json_out.h"

namespace millrace::query {

/// How values look is in docs/sql.md. In short: integers and decimals beyond 2^53 as strings, NaN
/// and infinities as null, times in ISO 8601 with all digits and Z, blobs in base64, lists, structs
/// and maps nested.
class JsonEncoder final : public Encoder {
 public:
  /// `limit`: the most bytes the answer may have.
  explicit JsonEncoder(size_t limit) : limit_(limit), out_(limit) {}

  Status begin(std::vector<ResultColumn> columns) override;
  Status add(duckdb_data_chunk chunk) override;
  Result<std::vector<std::string>> finish() override;

 private:
  Status check_size() const;

  const size_t limit_;
  JsonOut out_;
  std::vector<ResultColumn> columns_;
  bool has_rows_ = false;
};

}  // namespace millrace::query
