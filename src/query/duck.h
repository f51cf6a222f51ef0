// DuckDB's handles, freed by themselves. Only .cc files and headers inside query/ include this.
#pragma once

#include <duckdb.h>

#include <string>
#include <string_view>
#include <utility>

namespace millrace::query {

/// One handle of the C API and the function that frees it.
template <typename Handle, auto kDestroy>
class Owned {
 public:
  Owned() = default;

  explicit Owned(Handle handle) : handle_(handle) {}

  ~Owned() { reset(); }

  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }

  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;

  Handle get() const { return handle_; }

  /// For functions that make one; frees what was held.
  Handle* out() {
    reset();
    return &handle_;
  }

  explicit operator bool() const { return handle_ != nullptr; }

  void reset() {
    if (handle_ != nullptr) {
      kDestroy(&handle_);
      handle_ = nullptr;
    }
  }

 private:
  Handle handle_ = nullptr;
};

using DuckConfig = Owned<duckdb_config, duckdb_destroy_config>;
using DuckConnection = Owned<duckdb_connection, duckdb_disconnect>;
using DuckContext = Owned<duckdb_client_context, duckdb_destroy_client_context>;
using DuckStatements = Owned<duckdb_extracted_statements, duckdb_destroy_extracted>;
using DuckPrepared = Owned<duckdb_prepared_statement, duckdb_destroy_prepare>;
using DuckPending = Owned<duckdb_pending_result, duckdb_destroy_pending>;
using DuckChunk = Owned<duckdb_data_chunk, duckdb_destroy_data_chunk>;
using DuckType = Owned<duckdb_logical_type, duckdb_destroy_logical_type>;
using DuckValue = Owned<duckdb_value, duckdb_destroy_value>;
using DuckTableFunction = Owned<duckdb_table_function, duckdb_destroy_table_function>;

/// A result, freed by itself.
class DuckResult {
 public:
  DuckResult() = default;

  ~DuckResult() { duckdb_destroy_result(&result_); }

  DuckResult(const DuckResult&) = delete;
  DuckResult& operator=(const DuckResult&) = delete;

  duckdb_result* get() { return &result_; }

  /// nullptr: none.
  const char* error() { return duckdb_result_error(&result_); }

 private:
  duckdb_result result_{};
};

/// A string that the C API allocated; empty for nullptr.
inline std::string take_string(char* text) {
  std::string copy = text == nullptr ? std::string() : std::string(text);
  duckdb_free(text);
  return copy;
}

inline DuckType type_of(duckdb_type type) {
  return DuckType(duckdb_create_logical_type(type));
}

/// What a string of a vector holds; points into `text` itself when it is short.
inline std::string_view view_of(const duckdb_string_t& text) {
  const uint32_t length = text.value.inlined.length;
  return {length <= sizeof(text.value.inlined.inlined) ? text.value.inlined.inlined
                                                       : text.value.pointer.ptr,
          length};
}

}  // namespace millrace::query
