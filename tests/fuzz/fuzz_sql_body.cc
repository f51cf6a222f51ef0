// Bodies of queries of anything: no crash; what was taken is the same when it is written again.
#include "fuzz.h"
#include "http/sql_body.h"

#include <nlohmann/json.hpp>

#include <cstdint>

using namespace millrace;  // NOLINT(google-build-using-namespace): a program of one function

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto body = fuzz::own_copy<char>(data, size);
  const auto sql = http::parse_sql_body({body.data(), body.size()});
  if (!sql.ok()) {
    fuzz::expect(sql.error().code == Code::kInvalid && !sql.error().message.empty());
    return 0;
  }
  const auto again = http::parse_sql_body(nlohmann::json{{"sql", *sql}}.dump());
  fuzz::expect(again.ok() && *again == *sql);
  return 0;
}
