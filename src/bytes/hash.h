// XXH3, 128 bits: names things by their content. Not against people who look for collisions.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace millrace::bytes {

/// The canonical (big endian) form, the same on every machine.
std::array<uint8_t, 16> hash128(std::span<const std::byte> input);

}  // namespace millrace::bytes
