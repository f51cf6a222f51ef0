#include "broker/start_fact.h"

#include "bytes/cursor.h"

#include <cstring>
#include <span>
#include <string>

namespace millrace::broker {

record::SystemFrame to_frame(const StartFact& fact) {
  bytes::Writer key;
  key.bytes(std::as_bytes(std::span(fact.partition.topic.bytes)));
  key.le(fact.partition.partition.value);
  bytes::Writer value;
  value.le(fact.start.value);
  return {record::SystemKind::kStart, false, std::string(bytes::as_text(key.view())),
          std::string(bytes::as_text(value.view()))};
}

Result<StartFact> start_fact_from(const record::SystemFrame& frame) {
  bytes::Reader key(bytes::as_bytes(frame.key));
  bytes::Reader value(bytes::as_bytes(frame.value));
  StartFact fact;
  const auto id = key.bytes(fact.partition.topic.bytes.size());
  fact.partition.partition = PartitionId{key.le<int32_t>()};
  fact.start = Offset{value.le<int64_t>()};
  if (!key.ok() || key.remaining() != 0 || !value.ok() || value.remaining() != 0 ||
      fact.partition.partition < PartitionId{0} || fact.start < Offset{0}) {
    return make_error(Code::kCorrupt, "malformed start frame in the journal");
  }
  std::memcpy(fact.partition.topic.bytes.data(), id.data(), id.size());
  return fact;
}

}  // namespace millrace::broker
