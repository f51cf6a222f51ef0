// MessagePack writes of columns, by hand, and what comes of them, for tests.
#pragma once

#include "columnar/decode_msgpack.h"
#include "columnar/test_columns.h"
#include "columnar/test_msgpack.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::columnar::test_msgpack {

inline constexpr ArrivalTime kArrival{std::chrono::microseconds(1'700'000'000'123'456)};

/// {"m":"cpu","columns":{...}}
inline std::string request(const std::vector<std::pair<std::string, std::string>>& columns) {
  std::string text = map(2) + str("m") + str("cpu") + str("columns") + map(columns.size());
  for (const auto& [name, array] : columns) {
    text += str(name);
    text += array;
  }
  return text;
}

inline std::string one(const std::vector<std::string>& values) {
  return request({{"v", array_of(values)}});
}

inline std::string times(const std::vector<std::string>& values) {
  return request({{"time", array_of(values)}});
}

inline Result<MeasurementBatch> decode(std::string_view body, int version = kMsgpackDecoderVersion,
                                       std::optional<Precision> precision = std::nullopt) {
  // A copy of its own, so that the address sanitizer sees a read past its end.
  const std::vector<std::byte> copy(bytes::as_bytes(body).begin(), bytes::as_bytes(body).end());
  auto decoded = decode_msgpack(copy, {kArrival, precision, version});
  if (!decoded.ok()) {
    return std::move(decoded).error();
  }
  EXPECT_EQ(decoded->batches.size(), 1U);
  EXPECT_EQ(decoded->payloads, std::vector<std::string>(1));
  return std::move(decoded->batches.front());
}

/// The first column, or the refusal.
inline std::string outcome(std::string_view body, int version = kMsgpackDecoderVersion) {
  const auto result = decode(body, version);
  if (!result.ok()) {
    EXPECT_EQ(result.error().code, Code::kInvalid);
    return result.error().message;
  }
  return shown(result->batch.columns[0], result->batch.rows);
}

struct Case {
  const char* what;
  std::string body;
  std::string outcome;
};

inline void check(const std::vector<Case>& cases) {
  for (const Case& each : cases) {
    EXPECT_EQ(outcome(each.body), each.outcome) << each.what;
  }
}

}  // namespace millrace::columnar::test_msgpack
