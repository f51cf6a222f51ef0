// The command line of a model test: schedules by seed, counters, plants.
//   NAME [--schedules N] [--seed S] [--json FILE] [--plant NAME]
// Runs schedules S, S+1, ... on simulated disks. Exit 0: no violation and every counter above 0;
// 1: a violation (its seed is printed: run it alone with --schedules 1 --seed SEED); 2: wrong
// usage.
#pragma once

#include "base/log.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <string>

namespace millrace::fault {

/// Model: constructed from a seed and a Lie; run() returns the violation, if any; counters() has
/// named() and add().
template <typename Model>
class ModelMain {
 public:
  using Lie = typename Model::Lie;
  using Counters = typename Model::Counters;

  struct Options {
    uint64_t schedules;                 // unless the command line says
    uint64_t all_counted;               // from so many on, every counter must be above 0
    std::map<std::string, Lie> plants;  // files whose syncs a plant's disk ignores
  };

  explicit ModelMain(Options options) : options_(std::move(options)) {}

  int run(int argc, char** argv) {
    if (!take_flags(argc, argv)) {
      return 2;
    }
    // What the product warns of is what the schedules are made of.
    log::start(log::Level::kSilent, log::Format::kText);
    Counters total;
    uint64_t at = seed_;
    std::optional<std::string> violation;
    for (; at < seed_ + options_.schedules && !violation; ++at) {
      Model model(at, lie_);
      violation = model.run();
      total.add(model.counters());
    }
    log::stop();
    if (!json_.empty()) {
      write_json(total, violation.value_or(""));
    }
    for (const auto& [name, value] : total.named()) {
      std::printf("%-20s %llu\n", name.c_str(), static_cast<unsigned long long>(value));
    }
    if (violation) {
      std::printf("VIOLATION at seed %llu: %s\n", static_cast<unsigned long long>(at - 1),
                  violation->c_str());
      return 1;
    }
    return proves_something(total) ? 0 : 1;
  }

 private:
  bool take_flags(int argc, char** argv) {
    for (int i = 1; i < argc; i += 2) {
      const std::string flag = argv[i];
      const std::string value = i + 1 < argc ? argv[i + 1] : "";
      if (flag == "--schedules" && !value.empty()) {
        options_.schedules = std::stoull(value);
      } else if (flag == "--seed" && !value.empty()) {
        seed_ = std::stoull(value);
      } else if (flag == "--json" && !value.empty()) {
        json_ = value;
      } else if (flag == "--plant" && options_.plants.contains(value)) {
        lie_ = options_.plants.at(value);
      } else {
        std::fprintf(stderr, "unknown, or without a value: %s %s\n", flag.c_str(), value.c_str());
        return false;
      }
    }
    return true;
  }

  void write_json(const Counters& counters, const std::string& violation) const {
    std::ofstream out(json_);
    out << "{\"seed\": " << seed_;
    for (const auto& [name, value] : counters.named()) {
      out << ", \"" << name << "\": " << value;
    }
    out << ", \"violation\": \"" << violation << "\"}\n";
  }

  bool proves_something(const Counters& counters) const {
    for (const auto& [name, value] : counters.named()) {
      if (value == 0 && options_.schedules >= options_.all_counted) {
        std::printf("nothing proven: %s is 0 after %llu schedules\n", name.c_str(),
                    static_cast<unsigned long long>(options_.schedules));
        return false;
      }
    }
    return true;
  }

  Options options_;
  uint64_t seed_ = 1;
  std::string json_;
  Lie lie_;
};

}  // namespace millrace::fault
