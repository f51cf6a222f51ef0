// The SQL files of migrations/, carried in the program (embed_sql.py).
#pragma once

#include <span>

namespace millrace::catalog {

struct Migration {
  int version = 0;  // the format version that it leads to, from 1
  const char* name = "";
  const char* sql = "";
};

/// In order, without a gap; the last one's version is the format of this program.
std::span<const Migration> migrations();

}  // namespace millrace::catalog
