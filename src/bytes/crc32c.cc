#include "bytes/crc32c.h"

#include <nmmintrin.h>
#include <wmmintrin.h>

#include <array>
#include <cstring>

namespace millrace::bytes {
namespace {

// Polynomials over GF(2) modulo P, bit-reflected as the instruction has them: bit 31 is x^0.
constexpr uint32_t kPolynomial = 0x82F63B78;
constexpr uint32_t kOne = 0x80000000;
// x has the order 2^31 - 1, as P is (x + 1) times a primitive polynomial of degree 31.
constexpr uint64_t kOrder = (uint64_t{1} << 31) - 1;

constexpr uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (int bit = 31; bit >= 0; --bit) {
    product ^= ((a >> bit) & 1) != 0 ? b : 0;
    b = (b >> 1) ^ ((b & 1) != 0 ? kPolynomial : 0);
  }
  return product;
}

constexpr uint32_t power_of_x(uint64_t exponent) {
  uint32_t result = kOne;
  uint32_t square = kOne >> 1;
  for (exponent %= kOrder; exponent != 0; exponent >>= 1) {
    result = (exponent & 1) != 0 ? multiply(result, square) : result;
    square = multiply(square, square);
  }
  return result;
}

// _mm_crc32_u64(0, clmul(a, b)) is a*b*x^33: a factor made for it carries x^-33.
constexpr uint32_t kUnbias = power_of_x(kOrder - 33);

/// The factor that appends `bytes` zero bytes to a CRC.
constexpr uint32_t shift_factor(uint64_t bytes) {
  return multiply(power_of_x(bytes % kOrder * 8), kUnbias);
}

// [i][j] appends j * 16^i bytes.
constexpr auto kShiftFactors = [] {
  std::array<std::array<uint32_t, 16>, 16> factors{};
  uint32_t unit = power_of_x(8);
  for (auto& digit : factors) {
    uint32_t power = kOne;
    for (uint32_t& factor : digit) {
      factor = multiply(power, kUnbias);
      power = multiply(power, unit);
    }
    unit = power;
  }
  return factors;
}();

__m128i carryless(uint32_t a, uint32_t b) {
  return _mm_clmulepi64_si128(_mm_cvtsi64_si128(a), _mm_cvtsi64_si128(b), 0);
}

uint32_t reduce(__m128i product) {
  return static_cast<uint32_t>(_mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(product))));
}

uint64_t load(const std::byte* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// The instruction takes 3 cycles but starts each cycle: three streams of kLane bytes side by side.
template <size_t kLane>
uint32_t three_lanes(const std::byte*& at, size_t& left, uint32_t crc) {
  constexpr uint32_t kPastTwo = shift_factor(2 * kLane);
  constexpr uint32_t kPastOne = shift_factor(kLane);
  for (; left >= 3 * kLane; left -= 3 * kLane, at += 3 * kLane) {
    uint64_t a = crc;
    uint64_t b = 0;
    uint64_t c = 0;
    for (size_t i = 0; i < kLane; i += 8) {
      a = _mm_crc32_u64(a, load(at + i));
      b = _mm_crc32_u64(b, load(at + kLane + i));
      c = _mm_crc32_u64(c, load(at + 2 * kLane + i));
    }
    const __m128i shifted = _mm_xor_si128(carryless(static_cast<uint32_t>(a), kPastTwo),
                                          carryless(static_cast<uint32_t>(b), kPastOne));
    crc = reduce(shifted) ^ static_cast<uint32_t>(c);
  }
  return crc;
}

}  // namespace

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t seed) {
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  uint32_t crc = ~seed;
  crc = three_lanes<4096>(at, left, crc);
  crc = three_lanes<256>(at, left, crc);
  uint64_t wide = crc;
  for (; left >= 8; left -= 8, at += 8) {
    wide = _mm_crc32_u64(wide, load(at));
  }
  crc = static_cast<uint32_t>(wide);
  for (; left != 0; --left, ++at) {
    crc = _mm_crc32_u8(crc, static_cast<uint8_t>(*at));
  }
  return ~crc;
}

uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b) {
  // The inversions at both ends cancel out: crc(a + b) = crc(a) * x^(8 |b|) + crc(b).
  for (size_t digit = 0; length_b != 0; ++digit, length_b >>= 4) {
    if ((length_b & 15) != 0) {
      crc_a = reduce(carryless(crc_a, kShiftFactors[digit][length_b & 15]));
    }
  }
  return crc_a ^ crc_b;
}

}  // namespace millrace::bytes
