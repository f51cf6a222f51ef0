// How much room text takes on a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::cli {

/// Columns of a terminal that `text` (UTF-8, one line) takes: 2 for East Asian wide characters and
/// emoji, 0 for combining marks, 1 for each byte that is no UTF-8. The locale plays no part.
size_t display_width(std::string_view text);

/// `text` if it fits into `width` columns, otherwise as much of its front as does with "…" behind.
/// `width` >= 1.
std::string cut_to(std::string_view text, size_t width);

/// Control characters but newlines as \t, \r or \x1b: what a table prints must not steer the
/// terminal. C1 controls too.
std::string make_printable(std::string_view text);

/// Columns of the terminal at `descriptor`; 0 when it is none.
size_t terminal_width(int descriptor);

}  // namespace millrace::cli
