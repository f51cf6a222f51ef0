// What decides, besides its bytes, which rows a MessagePack write gives.
#pragma once

#include "columnar/precision.h"
#include "columnar/time_column.h"

#include <optional>

namespace millrace::columnar {

/// Stands with every logged payload: a replay decodes it by the same rules. Raise it when a body
/// would give other rows than before, or when more is taken. 1: one map of columns, whose
/// "tag_keys" are passed over.
inline constexpr int kMsgpackDecoderVersion = 2;

struct MsgpackRules {
  ArrivalTime arrival;
  std::optional<Precision> precision = std::nullopt;  // of times that are integers: `unify_times`
  int version = kMsgpackDecoderVersion;
};

}  // namespace millrace::columnar
