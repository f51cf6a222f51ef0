// The composition root: builds the parts in order, stops them in reverse. No logic of its own.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "server/options.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

namespace millrace::server {

/// A running server. Used by the main thread.
class Application {
 public:
  /// Blocks through recovery. `stop`: once set, recovery ends with kCancelled; it outlives this.
  /// Errors: kConflict (directory or port in use), kCorrupt (damage: see journal/recovery.h), kIo,
  /// kOverloaded (disk full), kCancelled. Nothing runs after an error.
  static Result<std::unique_ptr<Application>> start(const Options& options,
                                                    const std::atomic<bool>& stop);
  ~Application();
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

  const net::Address& kafka_address() const;
  const net::Address& http_address() const;
  std::string directory_id() const;
  std::chrono::milliseconds started_in() const;

  /// Refuses new requests, lets those in progress finish until the drain deadline, makes the log
  /// clean and closes it. Errors: kReadOnly when the journal was poisoned. A second call does
  /// nothing.
  Status stop();

 private:
  struct Parts;

  explicit Application(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace millrace::server
