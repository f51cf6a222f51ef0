// Everything the journal decodes from disk: run and frame headers, system frames, stored indexes.
#include "journal/format.h"
#include "journal/index.h"
#include "journal/state.h"
#include "record/system_frame.h"

#include <cstddef>
#include <cstdint>

using namespace millrace;  // NOLINT(google-build-using-namespace): a program of one function

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::span<const std::byte> input(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  switch (data[0] % 4) {
    case 0:
      if (input.size() >= journal::kBlock) {
        static_cast<void>(journal::newer_version_in(input.first(journal::kBlock)));
      }
      if (input.size() >= journal::kRunHeaderBytes) {
        if (auto header = journal::RunHeader::parse(input)) {
          const auto again = header->encode();
          if (!std::equal(again.begin(), again.end(), input.begin())) {
            __builtin_trap();  // what is valid is written the same way
          }
        }
      }
      break;
    case 1:
      if (input.size() >= journal::kFrameHeaderBytes) {
        static_cast<void>(journal::FrameHeader::parse(input.first(journal::kFrameHeaderBytes)));
      }
      break;
    case 2:
      if (const auto frame = record::SystemFrame::decode(input); frame.ok()) {
        journal::State state;
        static_cast<void>(state.replay(*frame));
        static_cast<void>(state.checkpoint());
      }
      break;
    default:
      static_cast<void>(journal::FileIndex::decode(FileNumber{1}, input));
  }
  return 0;
}
