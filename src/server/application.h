// The composition root: builds the parts in order, stops them in reverse. No logic of its own.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "server/options.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace millrace::server {

/// How a stop ended.
struct Stopped {
  Status status;  // kReadOnly when the journal was poisoned
  /// That DuckDB does not end: their threads go on, in what the application owns. Destroying it
  /// waits for them, however long; a process that will not wait leaves by _Exit().
  size_t queries_left = 0;
};

/// A running server. Used by the main thread.
class Application {
 public:
  /// Blocks through recovery. `stop`: once set, recovery ends with kCancelled; it outlives this.
  /// Errors: kConflict (directory or port in use), kCorrupt (damage: see journal/recovery.h), kIo,
  /// kOverloaded (disk full), kCancelled. Nothing runs after an error.
  static Result<std::unique_ptr<Application>> start(const Options& options,
                                                    const std::atomic<bool>& stop);
  /// Stops if that was not done, and waits for every query.
  ~Application();
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

  const net::Address& kafka_address() const;
  const net::Address& http_address() const;
  std::string directory_id() const;
  std::chrono::milliseconds started_in() const;

  /// Refuses new requests, lets those in progress finish until the drain deadline, makes the log
  /// clean and closes it, whatever queries are left. A second call does nothing.
  Stopped stop();

 private:
  struct Parts;

  explicit Application(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace millrace::server
