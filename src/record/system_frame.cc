#include "record/system_frame.h"

#include "bytes/cursor.h"

namespace millrace::record {
namespace {

constexpr uint8_t kPut = 0;
constexpr uint8_t kRemove = 1;

}  // namespace

std::string_view name_of(SystemKind kind) {
  switch (kind) {
    case SystemKind::kPartition:
      return "partition";
    case SystemKind::kBatchId:
      return "batch_id";
    case SystemKind::kTopic:
      return "topic";
    case SystemKind::kSchema:
      return "schema";
    case SystemKind::kReservation:
      return "reservation";
    case SystemKind::kStart:
      return "start";
    case SystemKind::kDatabase:
      return "database";
  }
  return "";
}

bytes::Buffer SystemFrame::encode() const {
  bytes::Writer out(8 + key.size() + value.size());
  out.le(static_cast<uint16_t>(kind));
  out.u8(is_removal ? kRemove : kPut);
  out.u8(0);
  out.le(static_cast<uint32_t>(key.size()));
  out.text(key);
  out.text(value);
  return std::move(out).finish();
}

Result<SystemFrame> SystemFrame::decode(std::span<const std::byte> payload) {
  bytes::Reader in(payload);
  SystemFrame frame;
  frame.kind = static_cast<SystemKind>(in.le<uint16_t>());
  const uint8_t operation = in.u8();
  const uint8_t zero = in.u8();
  const auto key_size = in.le<uint32_t>();
  frame.key = bytes::as_text(in.bytes(key_size));
  frame.value = bytes::as_text(in.bytes(in.remaining()));
  MILLRACE_TRY_STATUS(in.status("system frame", Code::kCorrupt));
  if (name_of(frame.kind).empty()) {
    return make_error(Code::kUnsupported,
                      "system frame of kind {}, which this version does not know",
                      static_cast<unsigned>(frame.kind));
  }
  if (operation > kRemove || zero != 0 || (operation == kRemove && !frame.value.empty())) {
    return make_error(Code::kCorrupt, "system frame of kind {}: neither a put nor a removal",
                      name_of(frame.kind));
  }
  frame.is_removal = operation == kRemove;
  return frame;
}

}  // namespace millrace::record
