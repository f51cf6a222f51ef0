// Batches of one value, for tests.
#pragma once

#include "record/commit_log.h"
#include "record/record_batch_builder.h"

#include <chrono>
#include <string_view>

namespace millrace::segment {

inline TopicId topic_of(uint8_t number) {
  TopicId id;
  for (size_t i = 0; i < id.bytes.size(); ++i) {
    id.bytes[i] = static_cast<uint8_t>(number + i);
  }
  return id;
}

inline record::StoredBatch batch_of(Offset base, std::string_view value, int records = 1,
                                    int64_t timestamp_ms = 1000) {
  record::RecordBatchBuilder builder;
  for (int i = 0; i < records; ++i) {
    builder.add(TimestampMs(std::chrono::milliseconds(timestamp_ms)), std::nullopt,
                bytes::as_bytes(value));
  }
  return {base, static_cast<uint32_t>(records), timestamp_ms, std::move(builder).build().value()};
}

}  // namespace millrace::segment
