// CRC32C (Castagnoli, RFC 3720 appendix B.4), by the SSE 4.2 instruction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace::bytes {

/// `seed` is the CRC of what stands before: crc32c(b, crc32c(a)) == crc32c(a + b). Any thread.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t seed = 0);

/// The CRC of a + b from those of a and of b, without reading them; tens of nanoseconds.
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b);

}  // namespace millrace::bytes
