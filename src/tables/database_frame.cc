#include "tables/database_frame.h"

#include "bytes/buffer.h"
#include "bytes/cursor.h"
#include "tables/table_name.h"

namespace millrace::tables {
namespace {

constexpr uint8_t kVersion = 1;

}  // namespace

record::SystemFrame to_frame(const DatabaseFact& fact) {
  bytes::Writer value;
  value.u8(kVersion);
  value.le(fact.created_ms);
  return {record::SystemKind::kDatabase, false, fact.name,
          std::string(bytes::as_text(value.view()))};
}

Result<DatabaseFact> database_fact_from(const record::SystemFrame& frame) {
  bytes::Reader value(bytes::as_bytes(frame.value));
  const uint8_t version = value.u8();
  DatabaseFact fact{.name = frame.key, .created_ms = value.le<int64_t>()};
  if (value.ok() && version > kVersion) {
    return make_error(Code::kUnsupported,
                      "database frame of version {} in the journal, this program knows {}", version,
                      kVersion);
  }
  if (!value.ok() || version != kVersion || value.remaining() != 0 ||
      !validate({fact.name, "x"}).ok()) {
    return make_error(Code::kCorrupt, "malformed database frame in the journal");
  }
  return fact;
}

}  // namespace millrace::tables
