#include "kafka/protocol/wire.h"

#include <algorithm>
#include <limits>

namespace millrace::kafka {
namespace {

constexpr size_t kMaxString = std::numeric_limits<int16_t>::max();

/// Length of bytes or of an array: int32 with -1 for null, or uvarint of length + 1.
std::optional<size_t> read_size(bytes::Reader& in, bool flexible) {
  if (flexible) {
    const uint32_t size = in.uvarint();
    return size == 0 ? std::nullopt : std::optional<size_t>(size - 1);
  }
  const auto size = in.be<int32_t>();
  if (size < -1) {
    in.fail("negative length");
  }
  return size < 0 ? std::nullopt : std::optional<size_t>(static_cast<size_t>(size));
}

std::vector<std::byte> joined(const std::vector<bytes::Buffer>& parts) {
  std::vector<std::byte> all;
  for (const bytes::Buffer& part : parts) {
    all.insert(all.end(), part.span().begin(), part.span().end());
  }
  return all;
}

}  // namespace

bool RecordsView::operator==(const RecordsView& other) const {
  return std::ranges::equal(bytes, other.bytes);
}

size_t RecordsParts::size() const {
  size_t size = 0;
  for (const bytes::Buffer& part : parts) {
    size += part.size();
  }
  return size;
}

bool RecordsParts::operator==(const RecordsParts& other) const {
  return joined(parts) == joined(other.parts);
}

std::optional<std::string_view> read_nullable_string(bytes::Reader& in, bool flexible) {
  std::optional<size_t> size;
  if (flexible) {
    size = read_size(in, true);
  } else if (const auto length = in.be<int16_t>(); length >= 0) {
    size = static_cast<size_t>(length);
  } else if (length < -1) {
    in.fail("negative length");
  }
  if (!size) {
    return std::nullopt;
  }
  return bytes::as_text(in.bytes(*size));
}

std::string_view read_string(bytes::Reader& in, bool flexible) {
  const std::optional<std::string_view> text = read_nullable_string(in, flexible);
  if (!text) {
    in.fail("null string");
  }
  return text.value_or(std::string_view());
}

std::optional<RecordsView> read_records(bytes::Reader& in, bool flexible) {
  const std::optional<size_t> size = read_size(in, flexible);
  if (!size) {
    return std::nullopt;
  }
  return RecordsView{in.bytes(*size)};
}

TopicId read_uuid(bytes::Reader& in) {
  TopicId id;
  const auto bytes = in.bytes(id.bytes.size());
  if (!bytes.empty()) {
    std::memcpy(id.bytes.data(), bytes.data(), id.bytes.size());
  }
  return id;
}

std::optional<size_t> read_nullable_length(bytes::Reader& in, bool flexible, size_t smallest) {
  const std::optional<size_t> length = read_size(in, flexible);
  if (length && *length > in.remaining() / smallest) {
    in.fail("array longer than the message");
    return 0;
  }
  return length;
}

size_t read_length(bytes::Reader& in, bool flexible, size_t smallest) {
  const std::optional<size_t> length = read_nullable_length(in, flexible, smallest);
  if (!length) {
    in.fail("null array");
  }
  return length.value_or(0);
}

void Encoder::length(size_t size, bool flexible) {
  if (flexible) {
    writer_.uvarint(static_cast<uint32_t>(size + 1));
  } else {
    writer_.be(static_cast<int32_t>(size));
  }
}

void Encoder::string(std::string_view value, bool flexible) {
  value = value.substr(0, kMaxString);
  if (flexible) {
    length(value.size(), true);
  } else {
    writer_.be(static_cast<int16_t>(value.size()));
  }
  writer_.text(value);
}

void Encoder::null_string(bool may_be_null, bool flexible) {
  if (!may_be_null) {
    string({}, flexible);
  } else if (flexible) {
    writer_.uvarint(0);
  } else {
    writer_.be<int16_t>(-1);
  }
}

void Encoder::array_length(size_t size, bool flexible) {
  length(size, flexible);
}

void Encoder::null_array(bool may_be_null, bool flexible) {
  if (!may_be_null) {
    length(0, flexible);
  } else if (flexible) {
    writer_.uvarint(0);
  } else {
    writer_.be<int32_t>(-1);
  }
}

void Encoder::records(const RecordsView& value, bool flexible) {
  length(value.bytes.size(), flexible);
  writer_.bytes(value.bytes);
}

void Encoder::records(const RecordsParts& value, bool flexible) {
  length(value.size(), flexible);
  for (const bytes::Buffer& part : value.parts) {
    if (part.size() < kShareFrom) {
      writer_.bytes(part);
    } else {
      shared_.push_back({writer_.size(), part});
      shared_bytes_ += part.size();
    }
  }
}

void Encoder::null_records(bool flexible) {
  null_array(true, flexible);
}

void Encoder::tagged(uint32_t tag, const Encoder& value) {
  writer_.uvarint(tag);
  writer_.uvarint(static_cast<uint32_t>(value.size()));
  writer_.bytes(value.writer_.view());
}

std::vector<bytes::Buffer> Encoder::finish() && {
  const bytes::Buffer copied = std::move(writer_).finish();
  std::vector<bytes::Buffer> pieces;
  size_t from = 0;
  for (Shared& shared : shared_) {
    if (shared.position != from) {
      pieces.push_back(copied.slice(from, shared.position - from));
      from = shared.position;
    }
    pieces.push_back(std::move(shared.part));
  }
  if (from != copied.size()) {
    pieces.push_back(copied.slice(from, copied.size() - from));
  }
  shared_.clear();
  shared_bytes_ = 0;
  return pieces;
}

}  // namespace millrace::kafka
