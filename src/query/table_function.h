// What our table functions share. For .cc files of query/.
#pragma once

#include "query/duck.h"
#include "query/query_context.h"

#include <memory>
#include <string>

namespace millrace::query {

/// The context of the query that is being bound; nullptr (and an error set) when it is none of
/// ours.
inline std::shared_ptr<QueryContext> context_of(duckdb_bind_info info) {
  const auto* contexts = static_cast<const QueryContexts*>(duckdb_bind_get_extra_info(info));
  DuckContext client;
  duckdb_table_function_get_client_context(info, client.out());
  auto context = contexts->find(duckdb_client_context_get_connection_id(client.get()));
  if (!context) {
    duckdb_bind_set_error(info, "this connection runs no query of ours");
  }
  return context;
}

inline std::string text_of(duckdb_value value) {
  const DuckValue owned(value);
  if (!owned || duckdb_is_null_value(owned.get())) {
    return {};
  }
  return take_string(duckdb_get_varchar(owned.get()));
}

template <typename T>
void delete_as(void* pointer) {
  delete static_cast<T*>(pointer);
}

}  // namespace millrace::query
