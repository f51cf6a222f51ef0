// usage: catalog_model_test [--schedules N] [--seed S] [--json FILE] [--plant catalog|directory]
// Runs schedules S, S+1, ... on simulated disks. Exit 0: no violation and every counter above 0;
// 1: a violation (its seed is printed: run it alone with --schedules 1 --seed SEED); 2: wrong
// usage.

#include "catalog_model.h"

#include "base/log.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace {

using millrace::catalog::CatalogModel;
using millrace::catalog::ModelCounters;

CatalogModel::Lie lie_about(const std::string& plant) {
  if (plant == "catalog") {
    return [](const std::string& path) { return path.starts_with("/data/catalog.db"); };
  }
  if (plant == "directory") {
    return [](const std::string& path) { return path == "/data"; };
  }
  return {};
}

void write_json(const std::string& path, uint64_t seed, const ModelCounters& counters,
                const std::string& violation) {
  std::ofstream out(path);
  out << "{\"seed\": " << seed;
  for (const auto& [name, value] : counters.named()) {
    out << ", \"" << name << "\": " << value;
  }
  out << ", \"violation\": \"" << violation << "\"}\n";
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t schedules = 600;
  uint64_t seed = 1;
  std::string json;
  std::string plant;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const std::string value = argv[i + 1];
    if (flag == "--schedules") {
      schedules = std::stoull(value);
    } else if (flag == "--seed") {
      seed = std::stoull(value);
    } else if (flag == "--json") {
      json = value;
    } else if (flag == "--plant" && lie_about(value)) {
      plant = value;
    } else {
      std::fprintf(stderr, "unknown %s %s\n", flag.c_str(), value.c_str());
      return 2;
    }
  }
  if (argc % 2 == 0) {
    std::fprintf(stderr, "a flag without a value\n");
    return 2;
  }
  // What a checkpoint warns of is what the schedules are made of.
  millrace::log::start(millrace::log::Level::kSilent, millrace::log::Format::kText);
  ModelCounters total;
  std::string violation;
  uint64_t failing = 0;
  for (uint64_t i = 0; i < schedules && violation.empty(); ++i) {
    CatalogModel model(seed + i, lie_about(plant));
    if (const auto found = model.run()) {
      violation = *found;
      failing = seed + i;
    }
    total.add(model.counters());
  }
  if (!json.empty()) {
    write_json(json, seed, total, violation);
  }
  for (const auto& [name, value] : total.named()) {
    std::printf("%-20s %llu\n", name.c_str(), static_cast<unsigned long long>(value));
  }
  if (!violation.empty()) {
    std::printf("VIOLATION at seed %llu: %s\n", static_cast<unsigned long long>(failing),
                violation.c_str());
    return 1;
  }
  for (const auto& [name, value] : total.named()) {
    if (value == 0 && schedules >= 300) {
      std::printf("nothing proven: %s is 0 after %llu schedules\n", name.c_str(),
                  static_cast<unsigned long long>(schedules));
      return 1;
    }
  }
  return 0;
}
