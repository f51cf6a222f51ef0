// Everything the journal decodes from disk: headers of runs and frames, system frames, stored
// indexes, names. Byte 0 says which. Checksums are made right first, since chance never gets past
// them; what is valid is written the same way again.
#include "bytes/crc32c.h"
#include "bytes/cursor.h"
#include "fuzz.h"
#include "journal/format.h"
#include "journal/index.h"
#include "journal/state.h"
#include "record/system_frame.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

using namespace millrace;  // NOLINT(google-build-using-namespace): one short file
using fuzz::expect;

namespace {

using Bytes = std::span<const std::byte>;

void take_run(Bytes input) {
  if (input.size() >= journal::kBlock) {
    static_cast<void>(journal::newer_version_in(input.first(journal::kBlock)));
  }
  if (input.size() < journal::kRunHeaderBytes) {
    return;
  }
  std::vector<std::byte> block(input.begin(), input.end());
  for (const bool is_made_right : {false, true}) {
    if (is_made_right) {
      constexpr size_t kCrcAt = journal::kRunHeaderBytes - sizeof(uint32_t);
      const uint32_t crc = bytes::crc32c(std::span(block).first(kCrcAt));
      std::memcpy(block.data() + kCrcAt, &crc, sizeof(crc));
    }
    if (auto header = journal::RunHeader::parse(block)) {
      const auto again = header->encode();
      expect(std::equal(again.begin(), again.end(), block.begin()));
    }
  }
}

void take_frame_header(Bytes input) {
  if (input.size() < journal::kFrameHeaderBytes) {
    return;
  }
  const auto own = input.first(journal::kFrameHeaderBytes);
  if (const auto header = journal::FrameHeader::parse(own); header.ok()) {
    std::array<std::byte, journal::kFrameHeaderBytes> again{};
    header->encode(again);
    expect(std::ranges::equal(again, own));
  }
}

/// Frames one after the other, each behind its length in 16 bits: a state, and one made of its
/// checkpoint, which has the same facts.
void take_system_frames(Bytes input) {
  journal::State state;
  bytes::Reader in(input);
  while (in.ok() && in.remaining() > 0) {
    const auto size = in.le<uint16_t>();
    const auto frame = record::SystemFrame::decode(in.bytes(size));
    if (!frame.ok() || !in.ok()) {
      break;
    }
    expect(*record::SystemFrame::decode(frame->encode()) == *frame);
    static_cast<void>(state.replay(*frame));
  }
  const auto checkpoint = state.checkpoint();
  journal::State again;
  for (const record::SystemFrame& frame : checkpoint) {
    expect(again.replay(frame).ok());
  }
  expect(again.checkpoint().size() == checkpoint.size() && again.system() == state.system());
  for (const auto kind : {record::SystemKind::kTopic, record::SystemKind::kSchema}) {
    expect(again.facts(kind) == state.facts(kind));
  }
}

void take_index(Bytes input) {
  bytes::Writer stored;
  stored.bytes(input);
  if (input.size() >= 8) {
    stored.patch_le(4, bytes::crc32c(input.subspan(8)));
  }
  const FileNumber number{1};
  if (const auto index = journal::FileIndex::decode(number, stored.view()); index.ok()) {
    const auto again = journal::FileIndex::decode(number, index->encode(number));
    expect(again.ok() && again->partitions.size() == index->partitions.size());
    expect(again->end_position == index->end_position && again->last_run == index->last_run);
  }
}

void take_name(Bytes input) {
  const std::string name(bytes::as_text(input));
  if (const auto number = journal::number_of(name)) {
    expect(journal::file_name(*number) == name);
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  const auto input = fuzz::own_copy(data + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      take_run(input);
      break;
    case 1:
      take_frame_header(input);
      break;
    case 2:
      take_system_frames(input);
      break;
    case 3:
      take_index(input);
      break;
    default:
      take_name(input);
  }
  return 0;
}
