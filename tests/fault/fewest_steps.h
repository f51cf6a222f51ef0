// Cuts a list of steps down to a short one that still shows the same violation.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::fault {

using StepList = std::vector<uint64_t>;

/// Drops halves, then smaller pieces, then single steps, as long as `still_fails(rest)`. It is
/// called `most` times at most. No single step of what it returns can be left out, unless `most`
/// came first.
template <typename StillFails>
StepList fewest_steps(StepList steps, size_t most, StillFails still_fails) {
  size_t piece = std::max<size_t>(steps.size() / 2, 1);
  while (!steps.empty()) {
    bool is_shorter = false;
    for (size_t at = 0; at < steps.size();) {
      StepList rest(steps.begin(), steps.begin() + static_cast<ptrdiff_t>(at));
      rest.insert(rest.end(),
                  steps.begin() + static_cast<ptrdiff_t>(std::min(at + piece, steps.size())),
                  steps.end());
      if (most == 0) {
        return steps;
      }
      --most;
      if (still_fails(rest)) {
        steps = std::move(rest);
        is_shorter = true;
      } else {
        at += piece;
      }
    }
    if (piece == 1 && !is_shorter) {
      break;
    }
    piece = std::max<size_t>(piece / 2, 1);
  }
  return steps;
}

}  // namespace millrace::fault
