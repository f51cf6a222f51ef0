// A store that fails as one behind a network does, by seed or to the letter.
#pragma once

#include "base/mutex.h"
#include "objects/object_store.h"

#include <chrono>
#include <deque>
#include <functional>
#include <random>

namespace millrace::objects {

/// How often what goes wrong: shares of 1. Every one of these errors is kOverloaded with kBackoff.
struct StoreFaults {
  double refuses = 0;  // requests of any kind: 500, 503 or SlowDown; nothing was done
  double breaks =
      0;  // puts and removes: the connection breaks; it was done or not, or, a put, will be
  double repeats = 0;  // puts that went well: the same put is under way once more
  std::chrono::nanoseconds least_latency{0};  // of a request
  std::chrono::nanoseconds most_latency{0};
};

/// What becomes of one put.
enum class PutFate : uint8_t {
  kDone,
  kRefused,        // an error, and nothing was done
  kBrokenDone,     // an error, and the object is there
  kBrokenNotDone,  // an error, and the object is not there
  kBrokenLate,     // an error, and the object is there once land_late_put() was called
  kDoneAndAgain,   // success, and the same put arrives again with land_late_put()
};

/// Passes calls on to another store, `inner`, which outlives it, and fails as it is told. Which
/// call fails follows from the seed and the order of calls alone. Waits for nothing: latency is
/// given to `wait`, which on a manual clock moves it. Thread-safe.
class FaultyStore final : public ObjectStore {
 public:
  /// Called before a request is answered, without any lock.
  using Wait = std::function<void(std::chrono::nanoseconds)>;

  FaultyStore(ObjectStore& inner, uint64_t seed, Wait wait = {});
  ~FaultyStore() override;

  void set_faults(const StoreFaults& faults);
  /// As long as it is away, every request is refused, and nothing is done.
  void set_away(bool is_away);
  /// Of the next puts, in order, whatever the faults are.
  void plan_puts(std::initializer_list<PutFate> fates);

  /// How many puts are under way whose writers were answered long ago.
  size_t late_puts() const;
  /// One of them arrives, chosen by the seed: its object is there, in place of what was there, also
  /// after a removal, also while the store is away for others. false: there is none.
  Result<bool> land_late_put();

  Result<std::unique_ptr<ObjectWriter>> create(const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(const std::string& folder) override;
  Result<std::unique_ptr<ObjectReader>> read(const std::string& name) override;
  Result<ObjectInfo> look(const std::string& name) override;
  Status remove(const std::string& name) override;
  std::string location_of(const std::string& name) const override;

 private:
  class Writer;
  class Reader;

  struct Put {
    std::string name;
    std::vector<std::byte> content;
  };

  /// One request: takes its time, and is refused or not.
  Status request(std::string_view what, const std::string& name);
  void take_time();
  Status put(Put put);
  Status land(const Put& put);

  Error refusal(std::string_view what, const std::string& name) MILLRACE_REQUIRES(mutex_);
  PutFate next_fate() MILLRACE_REQUIRES(mutex_);
  bool chance(double share) MILLRACE_REQUIRES(mutex_);

  ObjectStore& inner_;
  const Wait wait_;
  mutable Mutex mutex_;
  std::mt19937_64 random_ MILLRACE_GUARDED_BY(mutex_);
  StoreFaults faults_ MILLRACE_GUARDED_BY(mutex_);
  bool is_away_ MILLRACE_GUARDED_BY(mutex_) = false;
  std::deque<PutFate> planned_ MILLRACE_GUARDED_BY(mutex_);
  std::vector<Put> late_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::objects
