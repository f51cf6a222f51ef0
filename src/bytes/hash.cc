#include "bytes/hash.h"

#include <xxhash.h>

#include <algorithm>
#include <iterator>

namespace millrace::bytes {

std::array<uint8_t, 16> hash128(std::span<const std::byte> input) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(input.data(), input.size()));
  std::array<uint8_t, 16> hash{};
  std::copy(std::begin(canonical.digest), std::end(canonical.digest), hash.begin());
  return hash;
}

}  // namespace millrace::bytes
