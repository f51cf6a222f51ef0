// Single values of a MessagePack write.
#pragma once

#include "base/result.h"
#include "columnar/column_builder.h"
#include "columnar/msgpack_reader.h"
#include "columnar/precision.h"

#include <optional>

namespace millrace::columnar {

/// Nil, a bool, a number, a string, binary data, or a timestamp (extension type -1). Whether a
/// string is UTF-8 is not looked at. Errors: kInvalid, without a place.
Result<Value> value_of(const MsgpackToken& token);

/// A row's time: an integer (`unify_times`), or a timestamp. Of type time_us where it is a whole
/// microsecond, else time_ns. Errors: kInvalid, without a place.
Result<Value> time_of(const MsgpackToken& token, std::optional<Precision> precision);

}  // namespace millrace::columnar
