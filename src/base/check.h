// Broken invariants end the process. Never for input from outside.
#pragma once

namespace millrace {

/// Prints `file:line: CHECK failed: condition: message` to standard error and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const char* message);

}  // namespace millrace

#define MILLRACE_CHECK(condition, message)                               \
  do {                                                                   \
    if (!(condition)) [[unlikely]] {                                     \
      ::millrace::check_failed(__FILE__, __LINE__, #condition, message); \
    }                                                                    \
  } while (false)

#ifdef NDEBUG
#define MILLRACE_DCHECK(condition, message) static_cast<void>(0)
#else
#define MILLRACE_DCHECK(condition, message) MILLRACE_CHECK(condition, message)
#endif
