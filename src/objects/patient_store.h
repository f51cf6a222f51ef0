// A store for who asks once and cannot come back later: it waits out what passes by itself.
#pragma once

#include "base/backoff.h"
#include "base/clock.h"
#include "objects/object_store.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace millrace::objects {

struct PatienceOptions {
  std::chrono::milliseconds first_pause{100};
  std::chrono::milliseconds longest_pause{5'000};
  /// A call that fails for so long fails: of a store that has answered before, and of one that
  /// never did, which is more often a wrong address than an outage.
  std::chrono::milliseconds most{60'000};
  std::chrono::milliseconds most_unanswered{3'000};
};

/// Passes calls on to another store, and repeats those that are answered kOverloaded. A writer
/// keeps what it is given until publish(), which may write it several times. Thread-safe; blocks.
class PatientStore final : public ObjectStore {
 public:
  /// Waits; on a manual clock moves it.
  using Wait = std::function<void(std::chrono::milliseconds)>;

  /// `clock` outlives it.
  PatientStore(std::unique_ptr<ObjectStore> inner, const PatienceOptions& options,
               const Clock& clock, Wait wait);

  Result<std::unique_ptr<ObjectWriter>> create(const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(const std::string& folder) override;
  Result<std::unique_ptr<ObjectReader>> read(const std::string& name) override;
  Result<ObjectInfo> look(const std::string& name) override;
  Status remove(const std::string& name) override;

  std::string location_of(const std::string& name) const override {
    return inner_->location_of(name);
  }

 private:
  class Writer;
  class Reader;

  template <typename Call>
  auto patiently(Call call) -> decltype(call());

  const std::unique_ptr<ObjectStore> inner_;
  const PatienceOptions options_;
  const Clock& clock_;
  const Wait wait_;
  std::atomic<bool> has_answered_{false};
};

}  // namespace millrace::objects
