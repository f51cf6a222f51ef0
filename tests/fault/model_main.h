// The command line of a model test: schedules by seed, counters, plants.
//   NAME [--schedules N] [--seed S] [--json FILE] [--plant NAME]
//        [--known FILE] [--only STEP,...]
// Runs schedules S, S+1, ... on simulated disks. Exit 0: no violation and every counter above 0;
// 1: a violation (its seed is printed: run it alone with --schedules 1 --seed SEED); 2: wrong
// usage. Of a model with numbered steps the fewest are printed that still show a violation of that
// kind; --only does these alone. A line of --known is a seed, perhaps with such a list: those run
// first.
#pragma once

#include "base/log.h"
#include "fewest_steps.h"

#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>

namespace millrace::fault {

template <typename Model>
concept HasSteps = requires(const Model& model) {
  { model.steps() } -> std::convertible_to<const StepList&>;
};

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
    std::optional<std::string> violation = run_known(total);
    for (uint64_t at = seed_; at < seed_ + options_.schedules && !violation; ++at) {
      failed_ = at;
      violation = run_one(at, only_, &total);
    }
    StepList fewest;
    if (violation && HasSteps<Model>) {
      fewest = cut_down(*violation);
    }
    log::stop();
    if (!json_.empty()) {
      write_json(total, violation.value_or(""));
    }
    for (const auto& [name, value] : total.named()) {
      std::printf("%-20s %llu\n", name.c_str(), static_cast<unsigned long long>(value));
    }
    if (violation) {
      std::printf("VIOLATION at seed %llu: %s\n", static_cast<unsigned long long>(failed_),
                  violation->c_str());
      if (HasSteps<Model>) {
        std::printf("fewest steps: --schedules 1 --seed %llu --only %s\n",
                    static_cast<unsigned long long>(failed_),
                    fewest.empty() ? "0" : text_of(fewest).c_str());
      }
      return 1;
    }
    return proves_something(total) ? 0 : 1;
  }

 private:
  static constexpr size_t kMostCuts = 300;  // runs of one schedule

  static std::string text_of(const StepList& steps) {
    std::string text;
    for (const uint64_t step : steps) {
      text += (text.empty() ? "" : ",") + std::to_string(step);
    }
    return text;
  }

  static StepList steps_of(std::istream& text) {
    StepList steps;
    for (std::string step; std::getline(text, step, ',');) {
      steps.push_back(std::stoull(step));
    }
    return steps;
  }

  /// What stands before the first colon.
  static std::string kind_of(const std::string& violation) {
    return violation.substr(0, violation.find(':'));
  }

  std::optional<std::string> run_one(uint64_t seed, const std::optional<StepList>& only,
                                     Counters* total) {
    const auto count = [&](const Model& model) {
      if (total != nullptr) {
        total->add(model.counters());
      }
    };
    if constexpr (HasSteps<Model>) {
      std::optional<std::set<uint64_t>> chosen;
      if (only) {
        chosen.emplace(only->begin(), only->end());
      }
      Model model(seed, lie_, chosen);
      auto violation = model.run();
      count(model);
      done_ = model.steps();
      return violation;
    } else {
      Model model(seed, lie_);
      auto violation = model.run();
      count(model);
      return violation;
    }
  }

  std::optional<std::string> run_known(Counters& total) {
    std::ifstream lines(known_);
    std::optional<std::string> violation;
    for (std::string line; !violation && std::getline(lines, line);) {
      std::istringstream words(line);
      std::string steps;
      if (words >> failed_) {
        words >> steps;
        std::istringstream list(steps);
        const auto only = steps.empty() ? std::nullopt : std::optional(steps_of(list));
        violation = run_one(failed_, only, &total);
      }
    }
    return violation;
  }

  /// Of the schedule that ran last.
  StepList cut_down(const std::string& violation) {
    return fewest_steps(done_, kMostCuts, [&](const StepList& rest) {
      const auto again = run_one(failed_, rest, nullptr);
      return again && kind_of(*again) == kind_of(violation);
    });
  }

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
      } else if (flag == "--known" && std::ifstream(value).good()) {
        known_ = value;
      } else if (flag == "--only" && HasSteps<Model> && !value.empty()) {
        std::istringstream list(value);
        only_ = steps_of(list);
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
  std::string known_;
  std::optional<StepList> only_;
  StepList done_;        // of the schedule that ran last
  uint64_t failed_ = 0;  // seed
  Lie lie_;
};

}  // namespace millrace::fault
