#include "kafka/handlers/handlers.h"

namespace millrace::kafka {

FindCoordinatorResponse find_coordinator(const FindCoordinatorRequest& request, int16_t version) {
  constexpr const char* kWhy =
      "this server has no consumer groups and no transactions yet: assign partitions by hand";
  FindCoordinatorResponse response;
  if (version <= 3) {
    response.error_code = ErrorCode::kCoordinatorNotAvailable;
    response.error_message = kWhy;
    response.node_id = -1;
    response.port = -1;
    return response;
  }
  for (const std::string_view key : request.coordinator_keys) {
    response.coordinators.push_back(
        {std::string(key), -1, "", -1, ErrorCode::kCoordinatorNotAvailable, kWhy});
  }
  return response;
}

}  // namespace millrace::kafka
