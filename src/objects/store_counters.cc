#include "objects/store_counters.h"

namespace millrace::objects {

std::string_view name_of(RequestKind kind) {
  switch (kind) {
    case RequestKind::kPut:
      return "put";
    case RequestKind::kPart:
      return "part";
    case RequestKind::kGet:
      return "get";
    case RequestKind::kList:
      return "list";
    case RequestKind::kHead:
      return "head";
    case RequestKind::kDelete:
      return "delete";
  }
  return "unknown";
}

WriteCost cost_per_terabyte(const StoreCounters& counters, const RequestPrices& prices) {
  constexpr double kTerabyte = 1e12;
  constexpr double kThousand = 1000;
  const auto written = static_cast<double>(counters.bytes_written.load());
  if (written == 0) {
    return {};
  }
  const auto sum_of = [&](std::initializer_list<RequestKind> kinds) {
    uint64_t sum = 0;
    for (const RequestKind kind : kinds) {
      sum += counters.of(kind);
    }
    return static_cast<double>(sum);
  };
  const double writes = sum_of({RequestKind::kPut, RequestKind::kPart, RequestKind::kList});
  const double reads = sum_of({RequestKind::kGet, RequestKind::kHead});
  const double free = sum_of({RequestKind::kDelete});
  return {
      .requests = (writes + reads + free) / written * kTerabyte,
      .dollars = (writes * prices.write + reads * prices.read) / kThousand / written * kTerabyte};
}

}  // namespace millrace::objects
