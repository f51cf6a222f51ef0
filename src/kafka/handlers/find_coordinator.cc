#include "kafka/handlers/handlers.h"
#include "runtime/coroutine.h"

namespace millrace::kafka {

runtime::Task<FindCoordinatorResponse> find_coordinator([[maybe_unused]] Context& context,
                                                        const FindCoordinatorRequest& request,
                                                        const Call& call) {
  constexpr const char* kWhy =
      "this server has no consumer groups and no transactions yet: assign partitions by hand";
  FindCoordinatorResponse response;
  if (call.version <= 3) {
    response.error_code = ErrorCode::kCoordinatorNotAvailable;
    response.error_message = kWhy;
    response.node_id = -1;
    response.port = -1;
    co_return response;
  }
  for (const std::string_view key : request.coordinator_keys) {
    response.coordinators.push_back(
        {std::string(key), -1, "", -1, ErrorCode::kCoordinatorNotAvailable, kWhy});
  }
  co_return response;
}

}  // namespace millrace::kafka
