#include "kafka/handlers/handlers.h"
#include "kafka/protocol/versions.h"
#include "runtime/coroutine.h"

namespace millrace::kafka {

runtime::Task<ApiVersionsResponse> api_versions([[maybe_unused]] Context& context,
                                                [[maybe_unused]] const ApiVersionsRequest& request,
                                                const Call& call) {
  ApiVersionsResponse response;
  if (!find_api(ApiKey::kApiVersions)->has(call.version)) {
    response.error_code = ErrorCode::kUnsupportedVersion;
  }
  for (const ApiRange& api : kApis) {
    response.api_keys.push_back({static_cast<int16_t>(api.key), api.min_version, api.max_version});
  }
  co_return response;
}

}  // namespace millrace::kafka
