#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace millrace {

std::string_view name_of(Code code) {
  switch (code) {
    case Code::kNotFound:
      return "not_found";
    case Code::kCorrupt:
      return "corrupt";
    case Code::kIo:
      return "io";
    case Code::kTimeout:
      return "timeout";
    case Code::kOutcomeUnknown:
      return "outcome_unknown";
    case Code::kCancelled:
      return "cancelled";
    case Code::kOverloaded:
      return "overloaded";
    case Code::kConflict:
      return "conflict";
    case Code::kFenced:
      return "fenced";
    case Code::kReadOnly:
      return "journal_read_only";
    case Code::kForbidden:
      return "forbidden";
    case Code::kInvalid:
      return "invalid";
    case Code::kTooLarge:
      return "too_large";
    case Code::kUnsupported:
      return "unsupported";
    case Code::kInternal:
      return "internal";
  }
  return "internal";
}

Error Error::within(std::string_view context) && {
  message = fmt::format("{}: {}", context, message);
  return std::move(*this);
}

std::string Error::to_string() const {
  return fmt::format("{} ({})", message, name_of(code));
}

Error errno_error(std::string_view what, std::string_view path, int error_number) {
  const std::string text = std::generic_category().message(error_number);
  const Code code = [&] {
    switch (error_number) {
      case ENOSPC:
      case EDQUOT:
      case EMFILE:
      case ENFILE:
        return Code::kOverloaded;
      case ENOENT:
        return Code::kNotFound;
      case EEXIST:
        return Code::kConflict;
      default:
        return Code::kIo;
    }
  }();
  return make_error(code, "{} of {}: {}", what, path, text);
}

}  // namespace millrace
