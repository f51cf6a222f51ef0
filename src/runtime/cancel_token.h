// "Stop what you are doing": one side asks, any number of others look or are called.
#pragma once

#include <functional>
#include <stop_token>
#include <utility>

namespace millrace::runtime {

/// Says whether its CancelSource was cancelled. A default one never is. Cheap to copy; any thread;
/// may outlive its source.
class CancelToken {
 public:
  CancelToken() = default;

  bool is_cancelled() const { return token_.stop_requested(); }

 private:
  friend class CancelSource;
  friend class CancelCallback;

  explicit CancelToken(std::stop_token token) : token_(std::move(token)) {}

  std::stop_token token_;
};

/// Asks everyone who holds its token to stop; once, for good. Any thread.
class CancelSource {
 public:
  CancelSource() = default;
  CancelSource(const CancelSource&) = delete;
  CancelSource& operator=(const CancelSource&) = delete;

  CancelToken token() const { return CancelToken(source_.get_token()); }

  bool is_cancelled() const { return source_.stop_requested(); }

  /// Runs the callbacks on this thread before it returns. A second call does nothing.
  void cancel() { source_.request_stop(); }

 private:
  std::stop_source source_;
};

/// Calls `on_cancel` once if the token is cancelled while this object lives: on the cancelling
/// thread, or at once in the constructor when it was cancelled before. `on_cancel` must not throw
/// and not block. The destructor waits for a call that runs on another thread, so what the function
/// refers to may be destroyed right after it.
class CancelCallback {
 public:
  CancelCallback(const CancelToken& token, std::function<void()> on_cancel)
      : callback_(token.token_, std::move(on_cancel)) {}

 private:
  std::stop_callback<std::function<void()>> callback_;
};

}  // namespace millrace::runtime
