// Failures of something that is tried again for as long as it takes, in the log.
#pragma once

#include "base/log.h"
#include "base/result.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace millrace {

/// One line when tries begin to fail, one a minute as long as they do, one when it is over. One
/// thread at a time.
class FailureLog {
 public:
  /// `module`: who logs. `failing`: what it means, before the error. `over`: that it ended.
  FailureLog(std::string module, std::string failing, std::string over)
      : module_(std::move(module)), failing_(std::move(failing)), over_(std::move(over)) {}

  void tell(const Status& status) {
    const auto now = std::chrono::steady_clock::now();
    if (status.ok()) {
      if (told_at_) {
        log::info(module_, "{}", over_);
      }
      told_at_.reset();
    } else if (!told_at_ || now - *told_at_ >= kBetweenLines) {
      told_at_ = now;
      log::warning(module_, "{}: {}", failing_, status.error().message);
    }
  }

 private:
  static constexpr std::chrono::minutes kBetweenLines{1};

  const std::string module_;
  const std::string failing_;
  const std::string over_;
  std::optional<std::chrono::steady_clock::time_point> told_at_;
};

}  // namespace millrace
