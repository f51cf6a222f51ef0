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
