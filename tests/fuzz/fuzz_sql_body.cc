// Bodies of queries of anything: no crash; what was taken is the same when it is written again.
#include "http/sql_body.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstdlib>
#include <vector>

using namespace millrace;  // NOLINT(google-build-using-namespace): a program of one function

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of its own, so that the address sanitizer sees a read past its end.
  const std::vector<char> body(data, data + size);
  const auto sql = http::parse_sql_body({body.data(), body.size()});
  if (!sql.ok()) {
    if (sql.error().code != Code::kInvalid || sql.error().message.empty()) {
      std::abort();
    }
    return 0;
  }
  const auto again = http::parse_sql_body(nlohmann::json{{"sql", *sql}}.dump());
  if (!again.ok() || *again != *sql) {
    std::abort();
  }
  return 0;
}
