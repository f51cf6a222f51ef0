// For "did you mean".
#pragma once

#include <cstddef>
#include <string_view>

namespace millrace {

/// How many bytes to change, add or leave out to make one of the other (Levenshtein). Takes
/// |a| * |b| steps: for names, not for texts.
size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace millrace
