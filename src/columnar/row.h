// One row on its way into columns.
#pragma once

#include "columnar/column_builder.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace millrace::columnar {

/// A tag or a field.
struct RowPair {
  std::string_view key;
  Value value;
  bool is_tag = false;
};

/// Points into what it was read from.
struct Row {
  std::string_view measurement;
  std::vector<RowPair> pairs;  // tags, then fields; no key twice, none is "time"
  std::optional<int64_t> time_ns;
};

}  // namespace millrace::columnar
