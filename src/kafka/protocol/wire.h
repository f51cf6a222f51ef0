// The primitive types of Kafka's protocol, below the generated messages: strings, arrays, records,
// tagged fields, each in the old and in the compact (flexible, KIP-482) form.
#pragma once

#include "base/ids.h"
#include "bytes/buffer.h"
#include "bytes/cursor.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::kafka {

/// A records field within the frame it was read from.
struct RecordsView {
  std::span<const std::byte> bytes;

  bool operator==(const RecordsView& other) const;
};

/// A records field to send: its bytes are those of the parts in order. Large parts are not copied.
struct RecordsParts {
  std::vector<bytes::Buffer> parts;

  size_t size() const;
  bool operator==(const RecordsParts& other) const;  // by content, however it is cut
};

// Readers. Views point into the reader's bytes. Wrong input fails the reader: negative lengths
// other than null, null where it may not be, lengths beyond the bytes that are left.

std::string_view read_string(bytes::Reader& in, bool flexible);
std::optional<std::string_view> read_nullable_string(bytes::Reader& in, bool flexible);
std::optional<RecordsView> read_records(bytes::Reader& in, bool flexible);
TopicId read_uuid(bytes::Reader& in);
/// Elements of an array whose smallest element takes `smallest` bytes: no more than can be there.
std::optional<size_t> read_nullable_length(bytes::Reader& in, bool flexible, size_t smallest);
size_t read_length(bytes::Reader& in, bool flexible, size_t smallest);

/// Walks over tagged fields. known(tag, reader of its value) answers whether it has read the tag;
/// unknown ones are skipped, known ones must be read to their end.
template <typename Known>
void read_tags(bytes::Reader& in, const Known& known) {
  for (uint32_t left = in.uvarint(); left != 0 && in.ok(); --left) {
    const uint32_t tag = in.uvarint();
    bytes::Reader value(in.bytes(in.uvarint()));
    if (in.ok() && known(tag, value) && (!value.ok() || value.remaining() != 0)) {
      in.fail("damaged tagged field");
    }
  }
}

/// Builds one message or frame. Small values are copied together; large record parts are kept aside
/// and stand between the copies in what finish() returns.
class Encoder {
 public:
  /// Record parts of at least this size are not copied.
  static constexpr size_t kShareFrom = 1024;

  template <std::integral T>
  void be(T value) {
    writer_.be(value);
  }

  void boolean(bool value) { writer_.u8(value ? 1 : 0); }

  void uvarint(uint32_t value) { writer_.uvarint(value); }

  void uuid(const Uuid& value) { writer_.bytes(std::as_bytes(std::span(value.bytes))); }

  /// Cut at 32,767 bytes, the most that the protocol holds: only error messages come near.
  void string(std::string_view value, bool flexible);
  /// Null where it may be, else the empty string.
  void null_string(bool may_be_null, bool flexible);
  void array_length(size_t length, bool flexible);
  /// Null where it may be, else the empty array.
  void null_array(bool may_be_null, bool flexible);
  void records(const RecordsView& value, bool flexible);
  void records(const RecordsParts& value, bool flexible);
  void null_records(bool flexible);
  /// `value` holds no records.
  void tagged(uint32_t tag, const Encoder& value);

  /// Bytes so far, shared parts included.
  size_t size() const { return writer_.size() + shared_bytes_; }

  /// Overwrites four bytes written before the first shared part.
  void patch(size_t position, int32_t value) { writer_.patch_be(position, value); }

  /// The bytes in order, in as few pieces as possible. Empties this one.
  std::vector<bytes::Buffer> finish() &&;

 private:
  struct Shared {
    size_t position;  // in writer_
    bytes::Buffer part;
  };

  void length(size_t size, bool flexible);

  bytes::Writer writer_;
  std::vector<Shared> shared_;
  size_t shared_bytes_ = 0;
};

}  // namespace millrace::kafka
