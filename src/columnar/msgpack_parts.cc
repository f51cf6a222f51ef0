#include "columnar/msgpack_parts.h"

#include "columnar/column_batch.h"
#include "columnar/utf8.h"

namespace millrace::columnar {
namespace {

constexpr size_t kMostShownBytes = 64;

Result<std::string_view> name_from(const MsgpackToken& token, size_t byte, std::string_view what) {
  if (token.kind != MsgpackKind::kString) {
    return invalid_at(byte, "{} is {}, not a string", what, name_of(token.kind));
  }
  if (token.text.empty() || token.text.size() > kMostNameBytes) {
    return invalid_at(byte, "{} is of {} bytes, not within 1 to {}", what, token.text.size(),
                      kMostNameBytes);
  }
  if (find_invalid_utf8(token.text)) {
    return invalid_at(byte, "{} is not UTF-8", what);
  }
  if (has_control_character(token.text)) {
    return invalid_at(byte, "{} has a control character", what);
  }
  return token.text;
}

}  // namespace

Result<uint64_t> head_of(MsgpackReader& reader, MsgpackKind kind, std::string_view what) {
  const size_t byte = reader.position();
  const MsgpackToken token = reader.next();
  if (token.kind != kind) {
    return invalid_at(byte, "{} is {}, not {}", what, name_of(token.kind), name_of(kind));
  }
  return token.bits;
}

Result<std::string_view> read_name(MsgpackReader& reader, std::string_view what) {
  const size_t byte = reader.position();
  return name_from(reader.next(), byte, what);
}

Result<std::string> read_measurement(MsgpackReader& reader) {
  const size_t byte = reader.position();
  const MsgpackToken token = reader.next();
  if (token.kind == MsgpackKind::kSigned) {
    return fmt::format("measurement_{}", static_cast<int64_t>(token.bits));
  }
  if (token.kind == MsgpackKind::kUnsigned) {
    return fmt::format("measurement_{}", token.bits);
  }
  MILLRACE_TRY(const std::string_view name, name_from(token, byte, "the measurement \"m\""));
  return std::string(name);
}

Error unknown_key(size_t byte, std::string_view key) {
  return invalid_at(byte,
                    "the key \"{}\": a write has \"m\" and \"columns\", or \"m\", \"t\", \"h\", "
                    "\"tags\" and \"fields\", or \"batch\"; its database stands in the header "
                    "x-millrace-database",
                    key.substr(0, kMostShownBytes));
}

}  // namespace millrace::columnar
