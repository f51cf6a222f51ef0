// Statements of InfluxQL of anything: no crash; one that was taken is the same alone.
#include "fuzz.h"
#include "http/influxql.h"

#include <cstdint>

using namespace millrace;  // NOLINT(google-build-using-namespace): a program of one function

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto text = fuzz::own_copy<char>(data, size);
  const auto statements = http::parse_influxql({text.data(), text.size()});
  if (!statements.ok()) {
    fuzz::expect(statements.error().code == Code::kInvalid && !statements.error().message.empty());
    return 0;
  }
  fuzz::expect(!statements->empty());
  for (const auto& one : *statements) {
    const auto again = http::parse_influxql(one.text);
    fuzz::expect(again.ok() && again->size() == 1 && again->front().kind == one.kind);
    fuzz::expect(again->front().database == one.database && again->front().text == one.text);
  }
  return 0;
}
