// Segment objects. Their CRCs are made right first, so that what lies behind them is reached: byte
// 0 says which of them are.
#include "bytes/crc32c.h"
#include "fuzz.h"
#include "segment/segment.h"

#include <algorithm>
#include <cstring>

using namespace millrace;  // NOLINT(google-build-using-namespace): one short file
using fuzz::expect;

namespace {

using Bytes = std::vector<std::byte>;

class BytesReader final : public objects::ObjectReader {
 public:
  explicit BytesReader(Bytes content) : content_(std::move(content)) {}

  uint64_t bytes() const override { return content_.size(); }

  Status read_at(uint64_t position, std::span<std::byte> out) const override {
    expect(position <= content_.size() && out.size() <= content_.size() - position);
    std::copy_n(content_.begin() + static_cast<ptrdiff_t>(position), out.size(), out.begin());
    return {};
  }

 private:
  const Bytes content_;
};

template <typename T>
T at(const Bytes& content, size_t position) {
  T value{};
  if (position <= content.size() && sizeof value <= content.size() - position) {
    std::memcpy(&value, content.data() + position, sizeof value);
  }
  return value;
}

void seal(Bytes& content, size_t from, size_t bytes, size_t crc_at) {
  if (from > content.size() || bytes > content.size() - from || crc_at + 4 > content.size()) {
    return;
  }
  const uint32_t crc = bytes::crc32c(std::span(content).subspan(from, bytes));
  std::memcpy(content.data() + crc_at, &crc, sizeof crc);
}

/// CRCs of the indexes, of the tail, of the header, of the footer.
void seal(Bytes& content, unsigned which) {
  const size_t footer = content.size() - segment::kFooterBytes;
  const uint64_t size = content.size();
  std::memcpy(content.data() + footer, &size, sizeof size);
  const auto topics = at<uint64_t>(content, footer + 8);
  const uint64_t rows = topics + at<uint32_t>(content, footer + 16);
  const uint64_t count = std::min<uint64_t>(at<uint32_t>(content, footer + 20), 100);
  for (uint64_t i = 0; i < count && (which & 1) != 0; ++i) {
    const uint64_t row = rows + i * segment::kPartitionRowBytes;
    if (row < footer) {
      seal(content, at<uint64_t>(content, row + 72), at<uint32_t>(content, row + 80), row + 88);
    }
  }
  if ((which & 2) != 0 && topics < footer) {
    seal(content, topics, footer - topics, footer + 24);
  }
  seal(content, 0, 60, 60);
  seal(content, 0, segment::kHeaderBytes, footer + 28);
  seal(content, footer, 56, footer + 56);
}

void expect_refusal(const Error& error) {
  expect(error.code == Code::kCorrupt || error.code == Code::kUnsupported);
}

/// What was read is written as it stood.
void expect_round_trip(const segment::Segment& object) {
  const bytes::Buffer topics = object.tail().encode_topics();
  const bytes::Buffer rows = object.tail().encode_partitions();
  const uint32_t crc = bytes::crc32c(rows, bytes::crc32c(topics));
  expect(topics.size() == object.footer().topics_bytes && crc == object.footer().tail_crc);
  const auto footer =
      segment::Footer::parse(object.footer().encode(), object.footer().object_bytes);
  expect(footer.ok() && *footer == object.footer());
}

void read_all(const segment::Segment& object) {
  for (const segment::PartitionRow& row : object.tail().partitions) {
    const auto index = object.index(row);
    if (!index.ok()) {
      expect_refusal(index.error());
      continue;
    }
    const bytes::Buffer again = index->encode();
    expect(again.size() == row.index_bytes_unpacked);
    for (const segment::BatchEntry& entry : index->batches) {
      const auto batches = object.read(row, *index, entry.base, 1);
      if (batches.ok()) {
        expect(batches->size() == 1 && batches->front().base_offset == entry.base);
      } else {
        expect_refusal(batches.error());
      }
    }
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  Bytes content = fuzz::own_copy(data + 1, size - 1);
  if (content.size() >= segment::kHeaderBytes + segment::kFooterBytes && (data[0] & 4) == 0) {
    seal(content, data[0]);
  }
  const auto object =
      segment::Segment::open(std::make_unique<BytesReader>(std::move(content)), "x");
  if (!object.ok()) {
    expect_refusal(object.error());
    return 0;
  }
  expect_round_trip(**object);
  read_all(**object);
  const auto header = (*object)->verify();
  if (header.ok()) {
    expect(*segment::Header::parse(header->encode()) == *header);
  } else {
    expect_refusal(header.error());
  }
  return 0;
}
