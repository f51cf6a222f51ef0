// A message's bytes in one piece, for tests; the server sends the pieces as they are.
#pragma once

#include "kafka/protocol/wire.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::kafka {

inline std::vector<std::byte> joined(const std::vector<bytes::Buffer>& pieces) {
  std::vector<std::byte> all;
  for (const bytes::Buffer& piece : pieces) {
    all.insert(all.end(), piece.span().begin(), piece.span().end());
  }
  return all;
}

template <typename Message>
std::vector<std::byte> encoded(int16_t version, const Message& message) {
  Encoder out;
  encode(out, version, message);
  return joined(std::move(out).finish());
}

}  // namespace millrace::kafka
