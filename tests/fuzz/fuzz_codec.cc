// Decompression of anything: no crash, no content beyond the limit, and what was compressed comes
// back. Byte 0: codec (0-5, 5 is HTTP's deflate) and, from 128 on, compress the rest first and
// damage it at the place named by bytes 1-3.
#include "bytes/codec.h"
#include "fuzz.h"

#include <cstdint>

using namespace millrace::bytes;  // NOLINT(google-build-using-namespace): one short file
using millrace::fuzz::expect;

namespace {

constexpr size_t kLimit = size_t{1} << 20;

void take_apart(unsigned form, std::span<const std::byte> input) {
  const auto result =
      form == 5 ? inflate_zlib(input, kLimit) : decompress(static_cast<Codec>(form), input, kLimit);
  expect(!result.ok() || result->size() <= kLimit);
}

void there_and_back(Codec codec, std::span<const std::byte> input) {
  if (input.size() < 3) {
    return;
  }
  auto packed = compress(codec, input.subspan(3));
  expect(packed.ok());
  const auto back = decompress(codec, *packed, kLimit);
  expect(back.ok() && std::ranges::equal(*back, input.subspan(3)));
  if (!packed->empty()) {
    const size_t place = (static_cast<size_t>(input[0]) << 8 | static_cast<size_t>(input[1]));
    (*packed)[place % packed->size()] ^= input[2];
    take_apart(static_cast<unsigned>(codec), *packed);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > kLimit) {
    return 0;
  }
  const auto rest = std::as_bytes(std::span(data + 1, size - 1));
  if (data[0] >= 128) {
    there_and_back(static_cast<Codec>(data[0] % 5), rest);
  } else {
    take_apart(data[0] % 6, rest);
  }
  return 0;
}
