// How every function that can fail answers: a value, or an Error that says what to do about it.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace millrace {

/// For callers to branch on. Messages are for people; each protocol has one table from Code to its
/// own codes (kafka/error_map.cc, http/error_map.cc).
enum class Code : uint8_t {
  kNotFound,
  kCorrupt,         // bytes on disk or wire contradict themselves
  kIo,              // the operating system said no
  kTimeout,         // a deadline passed; whether the work happened is known: it did not
  kOutcomeUnknown,  // the work may or may not have happened (failed sync, crash in between)
  kCancelled,
  kOverloaded,  // a budget is spent; trying later helps
  kConflict,    // exists already, or changed under the caller
  kFenced,      // a newer epoch owns it
  kReadOnly,    // the journal is poisoned; reads go on
  kForbidden,
  kInvalid,   // the caller's input is wrong
  kTooLarge,  // the caller's input passes a limit
  kUnsupported,
  kInternal,
};

std::string_view name_of(Code code);

/// What a caller may do about an error.
enum class Retry : uint8_t { kNo, kBackoff };

struct [[nodiscard]] Error {
  Code code = Code::kInternal;
  std::string message;  // what failed, on what, with numbers
  Retry retry = Retry::kNo;

  /// "journal: " in front of the message: for crossing a module.
  Error within(std::string_view context) &&;
  std::string to_string() const;
};

template <typename... Args>
Error make_error(Code code, fmt::format_string<Args...> format, Args&&... args) {
  const bool again = code == Code::kOverloaded || code == Code::kTimeout;
  return Error{code, fmt::format(format, std::forward<Args>(args)...),
               again ? Retry::kBackoff : Retry::kNo};
}

/// "open(2) of /x: No space left on device" with Code::kIo (kOverloaded with kBackoff for ENOSPC,
/// EDQUOT, EMFILE and ENFILE, kNotFound for ENOENT).
Error errno_error(std::string_view what, std::string_view path, int error_number);

/// A value or an Error. Never empty; reading the wrong side ends the process.
template <typename T>
class [[nodiscard]] Result {
 public:
  using Value = T;

  // NOLINTBEGIN(google-explicit-constructor): `return value;` and `return error;` are the point.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}

  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  // NOLINTEND(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }

  explicit operator bool() const { return ok(); }

  T& value() & { return std::get<0>(state_); }

  const T& value() const& { return std::get<0>(state_); }

  T value() && { return std::get<0>(std::move(state_)); }

  T& operator*() & { return value(); }

  const T& operator*() const& { return value(); }

  T operator*() && { return std::move(*this).value(); }

  T* operator->() { return &value(); }

  const T* operator->() const { return &value(); }

  Error& error() & { return std::get<1>(state_); }

  const Error& error() const& { return std::get<1>(state_); }

  Error error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using Value = void;

  Result() = default;

  // NOLINTNEXTLINE(google-explicit-constructor): `return error;` is the point.
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }

  explicit operator bool() const { return ok(); }

  Error& error() & { return std::get<1>(state_); }

  const Error& error() const& { return std::get<1>(state_); }

  Error error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<std::monostate, Error> state_;
};

using Status = Result<void>;

}  // namespace millrace

// NOLINTBEGIN(bugprone-macro-parentheses): declarations and keywords are pasted as they are.
#define MILLRACE_CONCAT_INNER(a, b) a##b
#define MILLRACE_CONCAT(a, b) MILLRACE_CONCAT_INNER(a, b)

#define MILLRACE_TRY_INNER(result, declaration, expression, leave) \
  auto result = (expression);                                      \
  if (!result.ok()) {                                              \
    leave std::move(result).error();                               \
  }                                                                \
  declaration = std::move(result).value()

#define MILLRACE_TRY_STATUS_INNER(result, expression, leave) \
  if (auto result = (expression); !result.ok()) {            \
    leave std::move(result).error();                         \
  }                                                          \
  static_assert(true)

// NOLINTEND(bugprone-macro-parentheses)

/// MILLRACE_TRY(auto file, open(path)); — leaves the function with the error, or binds the value.
#define MILLRACE_TRY(declaration, expression) \
  MILLRACE_TRY_INNER(MILLRACE_CONCAT(millrace_result_, __LINE__), declaration, expression, return)
/// The same in a coroutine: MILLRACE_CO_TRY(auto n, co_await stream.read(buffer));
#define MILLRACE_CO_TRY(declaration, expression)                                           \
  MILLRACE_TRY_INNER(MILLRACE_CONCAT(millrace_result_, __LINE__), declaration, expression, \
                     co_return)
/// For results without a value.
#define MILLRACE_TRY_STATUS(expression) \
  MILLRACE_TRY_STATUS_INNER(MILLRACE_CONCAT(millrace_result_, __LINE__), expression, return)
#define MILLRACE_CO_TRY_STATUS(expression) \
  MILLRACE_TRY_STATUS_INNER(MILLRACE_CONCAT(millrace_result_, __LINE__), expression, co_return)
