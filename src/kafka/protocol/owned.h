// For generated code: responses own their texts and records.
#pragma once

#include "kafka/protocol/wire.h"

#include <optional>
#include <string>
#include <string_view>

namespace millrace::kafka {

inline std::optional<std::string> owned(std::optional<std::string_view> text) {
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

inline std::optional<RecordsParts> owned(const std::optional<RecordsView>& records) {
  return records ? std::optional(RecordsParts{{bytes::Buffer::copy_of(records->bytes)}})
                 : std::nullopt;
}

}  // namespace millrace::kafka
