#include "query/hints.h"

#include "query/names.h"

#include <string>
#include <utility>

namespace millrace::query {
namespace {

bool is_of_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '"' || static_cast<unsigned char>(c) >= 128;
}

/// `word`, in lower case, stands by itself in `text`, outside quotes.
bool has_word(std::string_view text, std::string_view word) {
  const std::string folded = fold(text);
  for (size_t at = folded.find(word); at != std::string::npos; at = folded.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !is_of_word(folded[at - 1])) &&
        (end == folded.size() || !is_of_word(folded[end]))) {
      return true;
    }
  }
  return false;
}

}  // namespace

Error or_topic(Error error, const TableReference& reference, const TopicSource& topics) {
  const std::string name =
      reference.database ? *reference.database + "." + reference.table : reference.table;
  if (error.code == Code::kNotFound && topics.find(name).ok()) {
    error.message += fmt::format("; there is a topic of that name: topic({})", sql_text(name));
  }
  return error;
}

Error or_offset(Error error, std::string_view sql) {
  if (error.message.starts_with("Parser Error") && has_word(sql, "offset")) {
    error.message +=
        "\noffset is a word of SQL: a column of that name stands in quotes, \"offset\"";
  }
  return error;
}

Error or_zone(Error error) {
  const std::string_view message = error.message;
  const std::string_view line = message.substr(0, message.find('\n'));  // below it: all candidates
  if (line.starts_with("Binder Error") && line.find("TIMESTAMP_NS") != std::string_view::npos &&
      line.find("TIMESTAMP WITH TIME ZONE") != std::string_view::npos) {
    error.message +=
        "\na time with nanoseconds has no zone (all are UTC): write now()::TIMESTAMP or "
        "localtimestamp for now(), and TIMESTAMP for TIMESTAMPTZ";
  }
  return error;
}

}  // namespace millrace::query
