#include "columnar/column_builder.h"

#include "base/check.h"
#include "columnar/facts.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace millrace::columnar {
namespace {

ValueFacts facts_of_value(const Value& value) {
  const auto raw = static_cast<int64_t>(value.bits);
  return facts_of_run(value.type, std::span(&raw, 1));
}

/// The bits of an integer as those of the same double.
uint64_t to_double(ColumnType type, uint64_t bits) {
  return std::bit_cast<uint64_t>(type == ColumnType::kU64
                                     ? static_cast<double>(bits)
                                     : static_cast<double>(static_cast<int64_t>(bits)));
}

/// Of a value that fits.
uint64_t bits_in(ColumnType type, const Value& value) {
  if (type == value.type) {
    return value.bits;
  }
  if (type == ColumnType::kF64) {
    return to_double(value.type, value.bits);
  }
  return type == ColumnType::kTimeNs ? value.bits * 1000 : value.bits;
}

bytes::MutableBuffer moved(bytes::MutableBuffer old, size_t used, size_t size) {
  bytes::MutableBuffer larger = bytes::MutableBuffer::of_size(size);
  if (used > 0) {
    std::memcpy(larger.data(), old.data(), used);
  }
  return larger;
}

void set_bits(std::vector<std::byte>& bits, size_t from, size_t to) {
  for (; from < to && from % 8 != 0; ++from) {
    bits[from / 8] |= std::byte{1} << (from % 8);
  }
  for (; to - from >= 8; from += 8) {
    bits[from / 8] = std::byte{0xFF};
  }
  for (; from < to; ++from) {
    bits[from / 8] |= std::byte{1} << (from % 8);
  }
}

}  // namespace

void ColumnBuilder::reserve(size_t rows, size_t string_bytes) {
  string_capacity_ = std::max(string_capacity_, string_bytes);
  if (rows > capacity_) {
    grow(rows);
  }
}

void ColumnBuilder::grow(size_t rows) {
  capacity_ = rows;
  if (has_offsets(type_)) {
    ends_ = moved(std::move(ends_), (rows_ + 1) * sizeof(int32_t), (rows + 1) * sizeof(int32_t));
  } else if (type_ != ColumnType::kNull) {
    const size_t width = width_of(type_);
    values_ = moved(std::move(values_), rows_ * width, rows * width);
  }
}

std::span<char> ColumnBuilder::string_room(size_t bytes) {
  if (bytes > values_.capacity() - string_bytes_) {
    const size_t larger = std::max(values_.capacity() * 2, string_bytes_ + bytes);
    values_ = moved(std::move(values_), string_bytes_, larger);
  }
  return {reinterpret_cast<char*>(values_.data()) + string_bytes_,
          values_.capacity() - string_bytes_};
}

void ColumnBuilder::note_validity(size_t count, bool is_valid) {
  if (is_valid && validity_.empty()) {
    return;
  }
  if (validity_.empty()) {
    validity_.reserve((std::max(capacity_, rows_ + count) + 7) / 8);
    validity_.resize((rows_ + 7) / 8);
    set_bits(validity_, 0, rows_);
  }
  validity_.resize((rows_ + count + 7) / 8);
  if (is_valid) {
    set_bits(validity_, rows_, rows_ + count);
  }
}

void ColumnBuilder::advance(size_t count, size_t string_bytes) {
  note_validity(count, true);
  rows_ += count;
  string_bytes_ += string_bytes;
}

void ColumnBuilder::append_nulls(size_t count) {
  if (count == 0) {
    return;
  }
  null_count_ += count;
  if (type_ == ColumnType::kNull) {
    rows_ += count;
    return;
  }
  if (count > room()) {
    grow(std::max(capacity_ * 2, rows_ + count));
  }
  note_validity(count, false);
  if (has_offsets(type_)) {
    std::fill_n(next_end(), count, static_cast<int32_t>(string_bytes_));
  } else {
    const size_t width = width_of(type_);
    std::memset(values_.data() + (rows_ * width), 0, count * width);
  }
  rows_ += count;
}

const ValueFacts& ColumnBuilder::facts() {
  if (facts_rows_ < rows_ && width_of(type_) == sizeof(int64_t)) {
    const std::span<const int64_t> all(reinterpret_cast<const int64_t*>(values_.data()), rows_);
    facts_ = facts_.with(facts_of_run(type_, all.subspan(facts_rows_)));
    facts_rows_ = rows_;
  }
  return facts_;
}

/// To a type that `widened` allows. From null: the nulls so far get their place.
void ColumnBuilder::become(ColumnType type) {
  const ColumnType before = std::exchange(type_, type);
  if (before == ColumnType::kNull) {
    capacity_ = std::max(capacity_, rows_);
    const size_t nulls = std::exchange(rows_, 0);
    null_count_ = 0;
    if (has_offsets(type)) {
      values_ = bytes::MutableBuffer::of_size(string_capacity_);
      ends_ = bytes::MutableBuffer::of_size((capacity_ + 1) * sizeof(int32_t));
      *(next_end() - 1) = 0;
    } else {
      values_ = bytes::MutableBuffer::of_size(capacity_ * width_of(type));
    }
    append_nulls(nulls);
  } else if (type == ColumnType::kF64) {
    auto* values = reinterpret_cast<uint64_t*>(values_.data());
    std::transform(values, values + rows_, values,
                   [before](uint64_t bits) { return to_double(before, bits); });
    facts_ = {};
  } else if (type == ColumnType::kTimeNs) {  // a null's value is zero
    auto* values = reinterpret_cast<int64_t*>(values_.data());
    std::transform(values, values + rows_, values, [](int64_t us) { return us * 1000; });
    facts_ = {};
  }  // from i64 to u64 the bits stay
}

void ColumnBuilder::push(const Value& value) {
  if (room() == 0) {
    grow(std::max<size_t>(16, capacity_ * 2));
  }
  if (has_offsets(type_)) {
    const size_t size = value.text.size();
    std::ranges::copy(value.text, string_room(size).begin());
    *next_end() = static_cast<int32_t>(string_bytes_ + size);
    advance(1, size);
    return;
  }
  if (type_ == ColumnType::kBool) {
    values_.data()[rows_] = static_cast<std::byte>(value.bits);
  } else {
    const uint64_t bits = bits_in(type_, value);
    std::memcpy(next_slot(), &bits, sizeof bits);
  }
  advance(1);
}

bool ColumnBuilder::append(const Value& value) {
  if (value.type == ColumnType::kNull) {
    append_nulls(1);
    return true;
  }
  if (value.type != type_) {
    const auto type = widened(type_, facts(), value.type, facts_of_value(value));
    if (!type) {
      return false;
    }
    if (*type != type_) {
      become(*type);
    }
  }
  push(value);
  return true;
}

bool ColumnBuilder::can_take(const Value& value) {
  return value.type == type_ || value.type == ColumnType::kNull ||
         widened(type_, facts(), value.type, facts_of_value(value)).has_value();
}

std::string ColumnBuilder::refusal_of(const Value& value) const {
  std::string_view reason;
  if (is_integer(type_) && is_integer(value.type)) {
    reason = ": one column cannot hold values below 0 and above 2^63-1";
  } else if (is_time(type_) && is_time(value.type)) {
    reason = ": a time is outside 1677 to 2262, which nanoseconds cannot hold";
  } else if ((is_integer(type_) && value.type == ColumnType::kF64) ||
             (type_ == ColumnType::kF64 && is_integer(value.type))) {
    reason = ": an integer is beyond 2^53, which a double cannot hold exactly";
  }
  return fmt::format("{} does not fit a column of {}{}", name_of(value.type), name_of(type_),
                     reason);
}

Column ColumnBuilder::finish(std::string name, bool is_tag) && {
  Column column{
      .name = std::move(name), .type = type_, .is_tag = is_tag, .null_count = null_count_};
  if (has_offsets(type_)) {
    if (string_bytes_ < values_.capacity() / 2) {  // the room was a guess
      values_ = moved(std::move(values_), string_bytes_, string_bytes_);
    }
    column.values = std::move(values_).freeze(string_bytes_);
    column.offsets = std::move(ends_).freeze((rows_ + 1) * sizeof(int32_t));
  } else if (type_ != ColumnType::kNull) {
    column.values = std::move(values_).freeze(rows_ * width_of(type_));
  }
  if (!validity_.empty()) {
    auto owner = std::make_shared<const std::vector<std::byte>>(std::move(validity_));
    column.validity = bytes::Buffer::adopt(owner, *owner);
  }
  return column;
}

}  // namespace millrace::columnar
