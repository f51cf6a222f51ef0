// For tests and fuzz targets: fills any generated message with content of one version.
#pragma once

#include "kafka/protocol/error_code.h"
#include "kafka/protocol/wire.h"

#include <concepts>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::kafka {

/// Views in what it filled point into this object.
class RandomMessage {
 public:
  RandomMessage(uint32_t seed, int16_t version) : random_(seed), version_(version) {}

  /// Without tags the tagged fields stay at their defaults, which are not sent.
  void with_tags(bool with) { with_tags_ = with; }

  template <typename Message>
  void fill(Message& message) {
    Message::visit(message, version_, *this);
  }

  template <typename T>
  void operator()(const char*, T& value, bool may_be_null, bool is_tagged) {
    if (with_tags_ || !is_tagged) {
      set(value, may_be_null);
    }
  }

 private:
  template <typename T>
  void set(std::optional<T>& value, bool may_be_null) {
    if (may_be_null && random_() % 4 == 0) {
      value.reset();
    } else {
      set(value.emplace(), false);
    }
  }

  template <typename T>
  void set(std::vector<T>& values, bool) {
    values.resize(random_() % 4);
    for (T& value : values) {
      set(value, false);
    }
  }

  template <typename T>
  void set(T& value, bool) {
    if constexpr (std::same_as<T, bool>) {
      value = random_() % 2 == 0;
    } else if constexpr (std::integral<T> || std::is_enum_v<T>) {
      value = static_cast<T>(number());
    } else {
      fill(value);
    }
  }

  template <typename Tag, typename Rep>
  void set(Strong<Tag, Rep>& value, bool) {
    value.value = static_cast<Rep>(number());
  }

  void set(TopicId& value, bool) {
    for (uint8_t& byte : value.bytes) {
      byte = static_cast<uint8_t>(random_());
    }
  }

  void set(std::string& value, bool) { value = text(); }

  void set(std::string_view& value, bool) { value = texts_.emplace_back(text()); }

  void set(RecordsView& value, bool) { value.bytes = bytes::as_bytes(texts_.emplace_back(text())); }

  void set(RecordsParts& value, bool) {
    for (size_t part = random_() % 3; part != 0; --part) {
      std::string content = text();
      content.resize(content.size() + random_() % 2 * Encoder::kShareFrom, 'r');
      value.parts.push_back(bytes::Buffer::copy_of(bytes::as_bytes(content)));
    }
  }

  uint64_t number() {
    switch (random_() % 4) {
      case 0:
        return random_() % 200;
      case 1:
        return ~uint64_t{0};
      default:
        return (uint64_t{random_()} << 32) | random_();
    }
  }

  std::string text() {
    std::string content(random_() % 8 == 0 ? random_() % 300 : random_() % 9, '\0');
    for (char& each : content) {
      each = static_cast<char>(random_());
    }
    return content;
  }

  std::mt19937 random_;
  int16_t version_;
  bool with_tags_ = true;
  std::deque<std::string> texts_;  // a deque: its strings never move
};

}  // namespace millrace::kafka
