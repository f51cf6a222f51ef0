#include "base/clock.h"

namespace millrace {
namespace {

class SystemClock final : public Clock {
 public:
  std::chrono::sys_time<std::chrono::nanoseconds> wall() const override {
    return std::chrono::system_clock::now();
  }

  std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::now();
  }
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace millrace
