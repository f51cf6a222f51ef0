#include "columnar/msgpack_reader.h"

#include <type_traits>

namespace millrace::columnar {

std::string_view name_of(MsgpackKind kind) {
  switch (kind) {
    case MsgpackKind::kNil:
      return "nil";
    case MsgpackKind::kBool:
      return "a bool";
    case MsgpackKind::kSigned:
    case MsgpackKind::kUnsigned:
      return "an integer";
    case MsgpackKind::kFloat:
      return "a float";
    case MsgpackKind::kString:
      return "a string";
    case MsgpackKind::kBinary:
      return "binary data";
    case MsgpackKind::kExtension:
      return "an extension";
    case MsgpackKind::kArray:
      return "an array";
    case MsgpackKind::kMap:
      return "a map";
    case MsgpackKind::kWrong:
      return "the byte 0xc1, which MessagePack never uses";
    case MsgpackKind::kTruncated:
      return "the end of the request";
  }
  return "";
}

template <typename T>
MsgpackToken MsgpackReader::number(MsgpackKind kind) {
  if (remaining() < 1 + sizeof(T)) {
    return {.kind = MsgpackKind::kTruncated};
  }
  const T value = load_big_endian<T>(at_ + 1);
  at_ += 1 + sizeof(T);
  if constexpr (std::is_signed_v<T>) {
    return {.kind = kind, .bits = static_cast<uint64_t>(static_cast<int64_t>(value))};
  } else {
    return {.kind = kind, .bits = value};
  }
}

/// `front` bytes of head, then `size` of payload.
MsgpackToken MsgpackReader::payload_of(MsgpackKind kind, size_t front, size_t size) {
  if (remaining() < front || remaining() - front < size) {
    return {.kind = MsgpackKind::kTruncated};
  }
  const std::string_view text(reinterpret_cast<const char*>(at_ + front), size);
  const bool is_extension = kind == MsgpackKind::kExtension;
  const uint64_t type = is_extension ? static_cast<uint8_t>(at_[front - 1]) : 0;
  at_ += front + size;
  return {.kind = kind, .bits = type, .text = text};
}

/// `more`: bytes between length and payload, the type of an extension.
template <typename Size>
MsgpackToken MsgpackReader::payload(MsgpackKind kind, size_t more) {
  if (remaining() < 1 + sizeof(Size)) {
    return {.kind = MsgpackKind::kTruncated};
  }
  return payload_of(kind, 1 + sizeof(Size) + more, load_big_endian<Size>(at_ + 1));
}

template <typename Size>
MsgpackToken MsgpackReader::head(MsgpackKind kind) {
  return number<Size>(kind);
}

MsgpackToken MsgpackReader::next() {
  if (at_ == end_) {
    return {.kind = MsgpackKind::kTruncated};
  }
  const auto lead = static_cast<uint8_t>(*at_);
  if (lead < 0x80 || lead >= 0xe0) {
    ++at_;
    return {.kind = MsgpackKind::kSigned,
            .bits = static_cast<uint64_t>(int64_t{static_cast<int8_t>(lead)})};
  }
  if (lead < 0xa0) {
    ++at_;
    return {.kind = lead < 0x90 ? MsgpackKind::kMap : MsgpackKind::kArray, .bits = lead & 0x0fU};
  }
  if (lead < 0xc0) {
    return payload_of(MsgpackKind::kString, 1, lead & 0x1fU);
  }
  return long_form(lead);
}

MsgpackToken MsgpackReader::long_form(uint8_t lead) {
  switch (lead) {
    case 0xc0:
      ++at_;
      return {.kind = MsgpackKind::kNil};
    case 0xc2:
    case 0xc3:
      ++at_;
      return {.kind = MsgpackKind::kBool, .bits = lead & 1U};
    case 0xc4:
      return payload<uint8_t>(MsgpackKind::kBinary, 0);
    case 0xc5:
      return payload<uint16_t>(MsgpackKind::kBinary, 0);
    case 0xc6:
      return payload<uint32_t>(MsgpackKind::kBinary, 0);
    case 0xc7:
      return payload<uint8_t>(MsgpackKind::kExtension, 1);
    case 0xc8:
      return payload<uint16_t>(MsgpackKind::kExtension, 1);
    case 0xc9:
      return payload<uint32_t>(MsgpackKind::kExtension, 1);
    case 0xca: {
      MsgpackToken token = number<uint32_t>(MsgpackKind::kFloat);
      const auto narrow = std::bit_cast<float>(static_cast<uint32_t>(token.bits));
      token.bits = std::bit_cast<uint64_t>(static_cast<double>(narrow));
      return token;
    }
    case 0xcb:
      return number<uint64_t>(MsgpackKind::kFloat);
    case 0xcc:
      return number<uint8_t>(MsgpackKind::kSigned);
    case 0xcd:
      return number<uint16_t>(MsgpackKind::kSigned);
    case 0xce:
      return number<uint32_t>(MsgpackKind::kSigned);
    case 0xcf: {
      MsgpackToken token = number<uint64_t>(MsgpackKind::kSigned);
      if (token.kind == MsgpackKind::kSigned && static_cast<int64_t>(token.bits) < 0) {
        token.kind = MsgpackKind::kUnsigned;
      }
      return token;
    }
    case 0xd0:
      return number<int8_t>(MsgpackKind::kSigned);
    case 0xd1:
      return number<int16_t>(MsgpackKind::kSigned);
    case 0xd2:
      return number<int32_t>(MsgpackKind::kSigned);
    case 0xd3:
      return number<int64_t>(MsgpackKind::kSigned);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return payload_of(MsgpackKind::kExtension, 2, size_t{1} << (lead - 0xd4U));
    case 0xd9:
      return payload<uint8_t>(MsgpackKind::kString, 0);
    case 0xda:
      return payload<uint16_t>(MsgpackKind::kString, 0);
    case 0xdb:
      return payload<uint32_t>(MsgpackKind::kString, 0);
    case 0xdc:
      return head<uint16_t>(MsgpackKind::kArray);
    case 0xdd:
      return head<uint32_t>(MsgpackKind::kArray);
    case 0xde:
      return head<uint16_t>(MsgpackKind::kMap);
    case 0xdf:
      return head<uint32_t>(MsgpackKind::kMap);
    default:
      return {.kind = MsgpackKind::kWrong};
  }
}

bool MsgpackReader::skip() {
  // Values still to pass. Heads say up to 2^33 each and cost 5 bytes: 64 bits never wrap.
  for (uint64_t left = 1; left > 0; --left) {
    const MsgpackToken token = next();
    if (token.is_over()) {
      return false;
    }
    if (token.kind == MsgpackKind::kArray) {
      left += token.bits;
    } else if (token.kind == MsgpackKind::kMap) {
      left += token.bits * 2;
    }
  }
  return true;
}

}  // namespace millrace::columnar
