// What the server counts, read when somebody asks, in Prometheus' text form.
#pragma once

#include "base/distribution.h"
#include "base/mutex.h"

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// A list of what can be read, filled once at the start by whoever owns the counters. Counting
/// costs what the owner's own atomic costs; nothing is kept here. Thread-safe.
class Metrics {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;
  /// Called by text(), on its thread.
  using Read = std::function<double()>;
  /// The same for a family whose members come and go; each has its own labels.
  using ReadAll = std::function<std::vector<std::pair<Labels, double>>()>;

  /// A number that only grows; `name` ends in "_total". `name` and `help` of one family are given
  /// the same by each of its members.
  void add_counter(std::string name, std::string help, Labels labels, Read read);
  /// A number that goes up and down.
  void add_gauge(std::string name, std::string help, Labels labels, Read read);

  /// How many values of which size; `distribution` outlives this.
  void add_histogram(std::string name, std::string help, const Distribution& distribution);

  /// Gauges of which there may be none at a time.
  void add_gauges(std::string name, std::string help, ReadAll read);

  /// Prometheus' text format, version 0.0.4; families by name.
  std::string text() const;

 private:
  enum class Kind : unsigned char { kCounter, kGauge, kHistogram };

  struct Member {
    Labels labels;
    Read read;
  };

  struct Family {
    Kind kind{};
    std::string help;
    std::vector<Member> members;
    ReadAll read_all;                            // empty: `members` alone
    const Distribution* distribution = nullptr;  // of a histogram
  };

  void add(Kind kind, std::string name, std::string help, Labels labels, Read read);

  mutable Mutex mutex_;
  std::map<std::string, Family> families_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace
