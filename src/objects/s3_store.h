// Objects in a bucket of S3, or of what speaks its protocol.
#pragma once

#include "objects/object_store.h"

#include <chrono>
#include <memory>
#include <string>

namespace millrace::objects {

class S3Client;

struct S3StoreOptions {
  std::string endpoint;          // host:port; empty: Amazon's of the region
  std::string scheme = "https";  // or http
  std::string region;            // empty: AWS_REGION, the AWS profile, else us-east-1
  std::string bucket;            // must exist
  std::string prefix;            // "a/b": the store is what is below it; empty: the whole bucket
  /// Both, or none: then the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), the AWS
  /// profile, the machine's role are asked, in this order, when the store is first used; where
  /// there is no role either, that takes seconds.
  std::string access_key;
  std::string secret_key;
  std::chrono::milliseconds connect_timeout{3'000};
  std::chrono::milliseconds request_timeout{10'000};  // without a byte moving
};

/// Speaks to the server when it is first asked for something, not before: it can be opened while
/// the server is away. A request that fails in a way that passes is tried once more at once; then
/// the error is the caller's, within about twice the timeouts, and of a write that is sent and not
/// answered, 12 s more. For errors see ObjectStore.
///
/// An object below kPartBytes is one PUT. From there on it is an upload in parts of that size, up
/// to kPartsAtOnce of them at a time, visible when the last request has joined them. A writer that
/// is not published aborts its upload, as soon as the server can be reached. What is left when the
/// process dies, or when the last part or the joining fails, only the bucket's owner can find: a
/// bucket should have a lifecycle rule AbortIncompleteMultipartUpload.
///
/// A writer takes memory of kPartBytes from its first byte on, and of as much again for each part
/// under way.
///
/// remove() asks whether the object is there, removes it, and puts an empty key "folder/" for the
/// folder that it was in; such keys are no objects.
class S3Store final : public ObjectStore {
 public:
  static constexpr uint64_t kPartBytes = uint64_t{10} << 20;  // Arrow's, not to be set
  static constexpr uint64_t kPartsAtOnce = 4;                 // of one writer

  /// Asks nothing of the server. Errors: kInvalid (an option).
  static Result<std::unique_ptr<S3Store>> open(S3StoreOptions options);
  ~S3Store() override;

  /// At the end of a process, when no store of this kind, no reader and no writer is left: stops
  /// what the first use of one started. Nothing when there was none. Afterwards every store of this
  /// kind answers kInternal. Without it the threads of the client meet the end of the process.
  static void finish();

  Result<std::unique_ptr<ObjectWriter>> create(const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(const std::string& folder) override;
  Result<std::unique_ptr<ObjectReader>> read(const std::string& name) override;
  Result<ObjectInfo> look(const std::string& name) override;
  Status remove(const std::string& name) override;
  std::string location_of(const std::string& name) const override;

 private:
  class Writer;
  class Reader;

  explicit S3Store(S3StoreOptions options);

  const std::unique_ptr<S3Client> client_;
};

}  // namespace millrace::objects
