// Whether text is UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace millrace::columnar {

bool is_ascii(std::string_view text);

/// Where the first wrong sequence begins; nullopt when there is none. ASCII is passed over 16 bytes
/// at a time.
std::optional<size_t> find_invalid_utf8(std::string_view text);

/// Whether text has a byte below 0x20, or 0x7f.
bool has_control_character(std::string_view text);

}  // namespace millrace::columnar
