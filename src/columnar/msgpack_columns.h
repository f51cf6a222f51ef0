// The columnar form of a MessagePack write: one map of columns.
#pragma once

#include "base/result.h"
#include "columnar/column_batch.h"
#include "columnar/msgpack_reader.h"
#include "columnar/msgpack_rules.h"

namespace millrace::columnar {

/// Reads the map at the reader's place, as decode_msgpack() says of columns. Memory: at most 8
/// bytes a byte of the map, and no allocation per value. Errors: kInvalid, as there.
Result<MeasurementBatch> read_columns(MsgpackReader& reader, const MsgpackRules& rules);

}  // namespace millrace::columnar
