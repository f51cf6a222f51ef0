// The five compressions of Kafka's record batches; HTTP bodies use the same functions.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::bytes {

/// The numbers are bits 0-2 of a batch's attributes (KIP-98, KIP-110 for zstd).
enum class Codec : uint8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };

/// "none", "gzip", "snappy", "lz4", "zstd": as in Kafka's compression.type.
std::string_view name_of(Codec codec);
/// nullopt for a number that is none of the five.
std::optional<Codec> codec_from_number(unsigned number);

inline constexpr int kDefaultLevel = std::numeric_limits<int>::min();

/// `level` is the library's own scale (gzip 1-9, lz4 0-12, zstd -7..22), brought into its range;
/// ignored for none and snappy. Forms, as Kafka's Java client writes and reads them: gzip of one
/// member (RFC 1952), snappy in xerial framing (blocks of 32 KiB), LZ4 frames of independent 64 KiB
/// blocks, one zstd frame (RFC 8878).
/// Errors: kInternal (the library refused; not seen with valid memory). Blocking; any thread.
Result<std::vector<std::byte>> compress(Codec codec, std::span<const std::byte> input,
                                        int level = kDefaultLevel);

/// The content of `input`, at most `limit` bytes: the limit holds while decompressing, and no more
/// than about `limit` (and a zstd window, up to 128 MiB, touched only as far as it fills) is
/// allocated, whatever the input claims. Takes all forms that Kafka
/// clients write: concatenated gzip members, LZ4 and zstd frames, snappy raw or xerial-framed.
/// Errors: kTooLarge (more than `limit`), kInvalid (junk, truncated, trailing bytes, wrong
/// checksum; the message says which). Empty input is refused for every codec but none.
Result<std::vector<std::byte>> decompress(Codec codec, std::span<const std::byte> input,
                                          size_t limit);

/// HTTP's Content-Encoding "deflate": the zlib format (RFC 9110 section 8.4.1.2, RFC 1950), one
/// stream. Limits and errors of decompress().
Result<std::vector<std::byte>> inflate_zlib(std::span<const std::byte> input, size_t limit);

}  // namespace millrace::bytes
