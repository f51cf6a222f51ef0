// A real S3 server for tests: SeaweedFS's, started and ended by the test.
#pragma once

#include "base/result.h"

#include <sys/types.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace millrace::objects {

/// Keeps its data in a temporary directory, listens on loopback alone, on ports of its own. Is
/// ended with this object, and with the thread that started it, however that ends. Not thread-safe.
class S3Server {
 public:
  static constexpr const char* kBucket = "test";
  static constexpr const char* kAccessKey = "access-key";
  static constexpr const char* kSecretKey = "secret-key";

  /// Returns when the bucket is there and takes bytes. Errors: kIo, with what the server said last.
  static Result<std::unique_ptr<S3Server>> start();
  ~S3Server();
  S3Server(const S3Server&) = delete;
  S3Server& operator=(const S3Server&) = delete;

  /// At once, as by kill -9. The data stays, and the ports are taken again by start_again().
  void stop();
  Status start_again();

  /// host:port
  std::string endpoint() const;

  /// Of the bucket: ids of uploads in parts that are neither joined nor aborted.
  std::vector<std::string> unfinished_uploads() const;

 private:
  S3Server() = default;

  Status run();
  void end_process();
  Status await_bucket();
  std::string said_last() const;

  std::string directory_;
  /// master, volume, filer, s3, admin: HTTP, then gRPC in the same order.
  std::array<uint16_t, 10> ports_{};
  pid_t pid_ = 0;  // 0: stopped
};

/// The whole answer to a GET, with its head; empty when there is none.
std::string http_get(uint16_t port, const std::string& path);

}  // namespace millrace::objects
