#include "columnar/precision.h"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::columnar {

std::optional<Precision> parse_precision(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, Precision>, 8> kNames = {
      {{"ns", Precision::kNs},
       {"n", Precision::kNs},
       {"us", Precision::kUs},
       {"u", Precision::kUs},
       {"ms", Precision::kMs},
       {"s", Precision::kS},
       {"m", Precision::kMinute},
       {"h", Precision::kHour}}};
  const auto* const found =
      std::ranges::find(kNames, text, &std::pair<std::string_view, Precision>::first);
  return found == kNames.end() ? std::nullopt : std::optional(found->second);
}

std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::kNs:
      return "ns";
    case Precision::kUs:
      return "us";
    case Precision::kMs:
      return "ms";
    case Precision::kS:
      return "s";
    case Precision::kMinute:
      return "m";
    case Precision::kHour:
      return "h";
  }
  return "ns";
}

int64_t nanoseconds_in(Precision precision) {
  switch (precision) {
    case Precision::kNs:
      return 1;
    case Precision::kUs:
      return 1'000;
    case Precision::kMs:
      return 1'000'000;
    case Precision::kS:
      return 1'000'000'000;
    case Precision::kMinute:
      return 60'000'000'000;
    case Precision::kHour:
      return 3'600'000'000'000;
  }
  return 1;
}

}  // namespace millrace::columnar
