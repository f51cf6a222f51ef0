// Record batches from anywhere: no crash, no read out of bounds. The CRC is made right first, since
// chance never gets past it.
#include "bytes/crc32c.h"
#include "bytes/cursor.h"
#include "fuzz.h"
#include "record/record_batch.h"
#include "record/record_reader.h"

#include <cstdint>

using namespace millrace;  // NOLINT(google-build-using-namespace): one short file
using fuzz::expect;

namespace {

void with_right_crc(std::span<const std::byte> input, bytes::Writer& writer) {
  writer.bytes(input);
  bytes::Reader reader(input);
  reader.skip(8);
  const auto length = reader.be<uint32_t>();
  if (input.size() >= record::kBatchHeaderSize && length >= 9 && length <= input.size() - 12) {
    writer.patch_be(17, bytes::crc32c(input.subspan(21, length - 9)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bytes::Writer writer;
  with_right_crc(std::as_bytes(std::span(data, size)), writer);
  record::BatchIterator batches(writer.view());
  for (;;) {
    const auto next = batches.next();
    if (!next.ok() || !next->has_value()) {
      break;
    }
    const record::BatchView& batch = **next;
    expect(record::whole_crc(batch) == bytes::crc32c(batch.bytes));
    const bool is_valid = record::validate_records(batch, size_t{1} << 20).ok();
    auto reader = record::RecordReader::open(batch, size_t{1} << 20);
    if (!reader.ok()) {
      expect(!is_valid);
      continue;
    }
    record::Record each;
    int32_t records = 0;
    while (reader->next(each)) {
      ++records;
    }
    expect(!is_valid || (reader->status().ok() && records == batch.header.record_count));
  }
  return 0;
}
