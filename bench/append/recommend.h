// What to choose on this disk, out of what was measured.
#pragma once

#include "bench/append/measure.h"

#include <string>
#include <vector>

namespace millrace::bench {

struct Advice {
  std::string purpose;  // "low latency", "general", "bulk"
  std::string choice;   // what to choose, and the figures for it
};

/// Of io::Appender's ways: the lowest p99 of synced records with most threads at once; the highest
/// rate over all record sizes of the suite; the highest rate of large runs, with its share of the
/// disk. A purpose of which nothing was measured is left out.
std::vector<Advice> recommend(const std::vector<Row>& rows);

}  // namespace millrace::bench
