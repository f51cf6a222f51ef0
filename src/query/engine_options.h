// What an operator decides about queries.
#pragma once

#include <cstddef>
#include <string>

namespace millrace::query {

struct EngineOptions {
  /// The only folder that DuckDB may read. Absolute, without characters of file patterns (*?[]{}).
  std::string tables_directory;
  /// Where queries larger than the memory spill. Made when that happens.
  std::string temp_directory;
  size_t memory_bytes = size_t{256} << 20;
  size_t max_temp_bytes = size_t{1} << 30;
  size_t threads = 2;  // that work on one query, its caller's included
  int nice = 10;       // of our threads; the caller's has its own
};

}  // namespace millrace::query
