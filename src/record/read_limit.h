// How much a read of batches may bring into memory.
#pragma once

#include "base/ids.h"
#include "base/result.h"

#include <cstddef>
#include <functional>
#include <utility>

namespace millrace::record {

/// Whole batches are read until `bytes`. The first one comes whatever its size, unless `admits`
/// says no to it: then nothing is read, and the error is kOverloaded. `admits` is asked before
/// memory is taken, at most once a read, on the thread that reads.
struct ReadLimit {
  // NOLINTNEXTLINE(google-explicit-constructor): mostly it is just a number.
  ReadLimit(size_t most) : bytes(most) {}

  ReadLimit(size_t most, std::function<bool(size_t)> asked)
      : bytes(most), admits(std::move(asked)) {}

  /// The first batch is so large; asks if need be.
  bool lets(size_t first_batch) const {
    return first_batch <= bytes || !admits || admits(first_batch);
  }

  size_t bytes;
  std::function<bool(size_t)> admits;
};

/// What such a read answers.
inline Error no_room_for(size_t first_batch, Offset at) {
  return make_error(Code::kOverloaded, "there is no memory now for the batch of {} bytes at {}",
                    first_batch, at);
}

}  // namespace millrace::record
