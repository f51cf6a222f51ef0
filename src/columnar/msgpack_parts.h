// What the forms of a MessagePack write have in common.
#pragma once

#include "base/result.h"
#include "columnar/msgpack_reader.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::columnar {

template <typename... Args>
Error invalid_at(size_t byte, fmt::format_string<Args...> format, Args&&... args) {
  return make_error(Code::kInvalid, "byte {}: {}", byte,
                    fmt::format(format, std::forward<Args>(args)...));
}

/// How many elements or pairs follow. Errors: kInvalid, where `what` is of another kind.
Result<uint64_t> head_of(MsgpackReader& reader, MsgpackKind kind, std::string_view what);

/// 1 to kMostNameBytes of UTF-8 without control characters, within the body. Errors: kInvalid.
Result<std::string_view> read_name(MsgpackReader& reader, std::string_view what);

/// The same, or an integer n: measurement_n. Errors: kInvalid.
Result<std::string> read_measurement(MsgpackReader& reader);

/// For a key that a write does not have.
Error unknown_key(size_t byte, std::string_view key);

}  // namespace millrace::columnar
