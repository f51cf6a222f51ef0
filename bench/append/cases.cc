#include "bench/append/cases.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace millrace::bench {
namespace {

constexpr std::array<std::string_view, 8> kMethods{
    "write", "buffered", "page_aligned", "mapped", "page_cache", "direct", "io_uring", "raw_disk"};
constexpr std::string_view kEvery = "every-";
constexpr std::string_view kMilliseconds = "ms";

/// From 1 on; nullopt for anything else.
std::optional<uint32_t> number_in(std::string_view text) {
  uint32_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc() && end == text.data() + text.size() && number > 0
             ? std::optional(number)
             : std::nullopt;
}

}  // namespace

std::string_view name_of(Method method) {
  return kMethods[static_cast<size_t>(method)];
}

Result<Method> parse_method(std::string_view text) {
  const auto found = std::ranges::find(kMethods, text);
  if (found == kMethods.end()) {
    return make_error(Code::kInvalid, "\"{}\" is no method; there are {}", text,
                      fmt::join(kMethods, ", "));
  }
  return static_cast<Method>(found - kMethods.begin());
}

bool has_buffer(Method method) {
  return method != Method::kWrite && method != Method::kMapped;
}

std::string name_of(const Policy& policy) {
  switch (policy.kind) {
    case Policy::Kind::kNone:
      return "none";
    case Policy::Kind::kEnd:
      return "end";
    case Policy::Kind::kEach:
      return "each";
    case Policy::Kind::kEvery:
      return fmt::format("{}{}", kEvery, policy.every);
    case Policy::Kind::kInterval:
      return fmt::format("{}{}", policy.interval.count(), kMilliseconds);
    case Policy::Kind::kGroup:
      return "group";
  }
  return "";
}

Result<Policy> parse_policy(std::string_view text) {
  for (const Policy::Kind kind :
       {Policy::Kind::kNone, Policy::Kind::kEnd, Policy::Kind::kEach, Policy::Kind::kGroup}) {
    if (const Policy policy{.kind = kind}; name_of(policy) == text) {
      return policy;
    }
  }
  if (text.starts_with(kEvery)) {
    if (const auto every = number_in(text.substr(kEvery.size()))) {
      return Policy{.kind = Policy::Kind::kEvery, .every = *every};
    }
  } else if (text.ends_with(kMilliseconds)) {
    if (const auto ms = number_in(text.substr(0, text.size() - kMilliseconds.size()))) {
      return Policy{.kind = Policy::Kind::kInterval, .interval = std::chrono::milliseconds(*ms)};
    }
  }
  return make_error(Code::kInvalid,
                    "\"{}\" is no policy; there are none, end, each, group, every-N (records) and "
                    "Nms (every N milliseconds)",
                    text);
}

std::string_view name_of(Ground ground) {
  switch (ground) {
    case Ground::kFresh:
      return "fresh";
    case Ground::kReserved:
      return "reserved";
    case Ground::kRecycled:
      return "recycled";
  }
  return "";
}

}  // namespace millrace::bench
