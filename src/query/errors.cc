#include "query/errors.h"

#include <array>
#include <string>

namespace millrace::query {
namespace {

struct Kind {
  std::string_view prefix;
  Code code;
};

// All else is the statement's fault: Parser, Binder, Catalog, Conversion, Out of Range Error...
constexpr std::array kKinds = {
    Kind{"Permission Error", Code::kForbidden},
    Kind{"Out of Memory Error", Code::kOverloaded},
    Kind{"INTERRUPT Error", Code::kCancelled},
    Kind{"IO Error", Code::kIo},
    Kind{"FATAL Error", Code::kInternal},
    Kind{"INTERNAL Error", Code::kInternal},
    Kind{"TransactionContext Error", Code::kInternal},
    Kind{"Serialization Error", Code::kInternal},
};

/// DuckDB calls a damaged file "Invalid Input", a missing one "IO" and a cut page either.
bool is_about_file(std::string_view message, std::string_view directory) {
  if (directory.empty() || message.find(directory) == std::string_view::npos) {
    return false;
  }
  return message.starts_with("IO Error") || message.starts_with("Invalid Input Error") ||
         message.starts_with("Invalid Error");
}

/// Without DuckDB's advice to change settings, which no statement may do here.
std::string without_advice(std::string_view message) {
  for (const std::string_view advice : {"\nPossible solutions:", "\nThis limit was set by"}) {
    message = message.substr(0, message.find(advice));
  }
  return std::string(message.substr(0, message.find_last_not_of(" .\n") + 1));
}

/// Of memory or temporary space that is spent.
std::string spent(std::string_view message) {
  const bool is_of_files = message.find("max_temp_directory_size") != std::string_view::npos;
  return without_advice(message) +
         (is_of_files ? "; queries may fill a tenth of what was free on the disk at the start"
                      : "; all queries together have a quarter of memory.max_bytes");
}

}  // namespace

Error error_of(std::string_view message, std::string_view tables_directory) {
  Code code = Code::kInvalid;
  for (const Kind& kind : kKinds) {
    if (message.starts_with(kind.prefix)) {
      code = kind.code;
    }
  }
  if (is_about_file(message, tables_directory)) {
    code = Code::kCorrupt;
  }
  if (message.find("Too many open files") != std::string_view::npos) {
    code = Code::kOverloaded;  // says nothing about the file
  }
  if (invalidates_database(message)) {
    code = Code::kInternal;
  }
  if (message.starts_with("Out of Memory Error")) {
    return make_error(code, "{}", spent(message));
  }
  return make_error(code, "{}", message);
}

bool is_of_statement(std::string_view message) {
  return message.starts_with("Parser Error") || message.starts_with("Binder Error") ||
         message.starts_with("Catalog Error") || message.starts_with("Permission Error") ||
         message.starts_with("Out of Memory Error");
}

bool invalidates_database(std::string_view message) {
  return message.starts_with("FATAL Error") || message.starts_with("INTERNAL Error") ||
         message.find("database has been invalidated") != std::string_view::npos;
}

}  // namespace millrace::query
