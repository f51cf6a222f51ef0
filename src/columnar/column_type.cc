#include "columnar/column_type.h"

namespace millrace::columnar {
namespace {

std::optional<ColumnType> widened_integers(ColumnType current, const ValueFacts& current_facts,
                                           const ValueFacts& incoming_facts) {
  if (current == ColumnType::kI64 && incoming_facts.fits_i64) {
    return ColumnType::kI64;
  }
  const bool has_negative = current_facts.has_negative || incoming_facts.has_negative;
  return has_negative ? std::nullopt : std::optional(ColumnType::kU64);
}

}  // namespace

std::string_view name_of(ColumnType type) {
  switch (type) {
    case ColumnType::kNull:
      return "null";
    case ColumnType::kBool:
      return "bool";
    case ColumnType::kI64:
      return "i64";
    case ColumnType::kU64:
      return "u64";
    case ColumnType::kF64:
      return "f64";
    case ColumnType::kString:
      return "string";
    case ColumnType::kTimeUs:
      return "time_us";
    case ColumnType::kTimeNs:
      return "time_ns";
    case ColumnType::kBinary:
      return "binary";
  }
  return "null";
}

std::optional<ColumnType> widened(ColumnType current, const ValueFacts& current_facts,
                                  ColumnType incoming, const ValueFacts& incoming_facts) {
  if (current == incoming || incoming == ColumnType::kNull) {
    return current;
  }
  if (current == ColumnType::kNull) {
    return incoming;
  }
  if (is_time(current) && is_time(incoming)) {
    const ValueFacts& of_us = current == ColumnType::kTimeUs ? current_facts : incoming_facts;
    return of_us.fits_ns ? std::optional(ColumnType::kTimeNs) : std::nullopt;
  }
  if (is_integer(current) && is_integer(incoming)) {
    return widened_integers(current, current_facts, incoming_facts);
  }
  if (is_integer(current) && incoming == ColumnType::kF64) {
    return current_facts.fits_f64 ? std::optional(ColumnType::kF64) : std::nullopt;
  }
  if (current == ColumnType::kF64 && is_integer(incoming)) {
    return incoming_facts.fits_f64 ? std::optional(ColumnType::kF64) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace millrace::columnar
