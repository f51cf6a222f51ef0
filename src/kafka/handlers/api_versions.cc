#include "kafka/handlers/handlers.h"
#include "kafka/protocol/versions.h"

namespace millrace::kafka {

ApiVersionsResponse api_versions(int16_t version) {
  ApiVersionsResponse response;
  const ApiRange& own = *find_api(ApiKey::kApiVersions);
  if (!own.has(version)) {
    response.error_code = ErrorCode::kUnsupportedVersion;
  }
  for (const ApiRange& api : kApis) {
    response.api_keys.push_back({static_cast<int16_t>(api.key), api.min_version, api.max_version});
  }
  return response;
}

}  // namespace millrace::kafka
