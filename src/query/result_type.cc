#include "query/result_type.h"

#include <fmt/format.h>

#include <string_view>

namespace millrace::query {
namespace {

std::string_view plain_name(duckdb_type id) {
  switch (id) {
    case DUCKDB_TYPE_BOOLEAN:
      return "BOOLEAN";
    case DUCKDB_TYPE_TINYINT:
      return "TINYINT";
    case DUCKDB_TYPE_SMALLINT:
      return "SMALLINT";
    case DUCKDB_TYPE_INTEGER:
      return "INTEGER";
    case DUCKDB_TYPE_BIGINT:
      return "BIGINT";
    case DUCKDB_TYPE_UTINYINT:
      return "UTINYINT";
    case DUCKDB_TYPE_USMALLINT:
      return "USMALLINT";
    case DUCKDB_TYPE_UINTEGER:
      return "UINTEGER";
    case DUCKDB_TYPE_UBIGINT:
      return "UBIGINT";
    case DUCKDB_TYPE_HUGEINT:
      return "HUGEINT";
    case DUCKDB_TYPE_UHUGEINT:
      return "UHUGEINT";
    case DUCKDB_TYPE_FLOAT:
      return "FLOAT";
    case DUCKDB_TYPE_DOUBLE:
      return "DOUBLE";
    case DUCKDB_TYPE_VARCHAR:
      return "VARCHAR";
    case DUCKDB_TYPE_BLOB:
      return "BLOB";
    case DUCKDB_TYPE_BIT:
      return "BIT";
    case DUCKDB_TYPE_UUID:
      return "UUID";
    case DUCKDB_TYPE_DATE:
      return "DATE";
    case DUCKDB_TYPE_TIME:
      return "TIME";
    case DUCKDB_TYPE_TIME_NS:
      return "TIME_NS";
    case DUCKDB_TYPE_TIME_TZ:
      return "TIME WITH TIME ZONE";
    case DUCKDB_TYPE_TIMESTAMP:
      return "TIMESTAMP";
    case DUCKDB_TYPE_TIMESTAMP_S:
      return "TIMESTAMP_S";
    case DUCKDB_TYPE_TIMESTAMP_MS:
      return "TIMESTAMP_MS";
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return "TIMESTAMP_NS";
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return "TIMESTAMP WITH TIME ZONE";
    case DUCKDB_TYPE_INTERVAL:
      return "INTERVAL";
    case DUCKDB_TYPE_BIGNUM:
      return "BIGNUM";
    case DUCKDB_TYPE_SQLNULL:
      return "\"NULL\"";
    default:
      return "UNKNOWN";
  }
}

/// In double quotes unless it is a plain name.
std::string quoted(const std::string& name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  bool plain = !name.empty() && (name[0] < '0' || name[0] > '9');
  std::string text = "\"";
  for (const char c : name) {
    plain = plain && is_plain(c);
    text += c;
    if (c == '"') {
      text += c;
    }
  }
  return plain ? name : text + "\"";
}

void add_members(ResultType& column, duckdb_logical_type type) {
  const bool is_union = column.id == DUCKDB_TYPE_UNION;
  const idx_t count =
      is_union ? duckdb_union_type_member_count(type) : duckdb_struct_type_child_count(type);
  for (idx_t i = 0; i < count; ++i) {
    column.labels.push_back(take_string(is_union ? duckdb_union_type_member_name(type, i)
                                                 : duckdb_struct_type_child_name(type, i)));
    const DuckType child(is_union ? duckdb_union_type_member_type(type, i)
                                  : duckdb_struct_type_child_type(type, i));
    column.children.push_back(ResultType::of(child.get()));
  }
}

void add_children(ResultType& column, duckdb_logical_type type) {
  switch (column.id) {
    case DUCKDB_TYPE_LIST:
      column.children.push_back(ResultType::of(DuckType(duckdb_list_type_child_type(type)).get()));
      break;
    case DUCKDB_TYPE_ARRAY:
      column.array_size = duckdb_array_type_array_size(type);
      column.children.push_back(ResultType::of(DuckType(duckdb_array_type_child_type(type)).get()));
      break;
    case DUCKDB_TYPE_MAP:
      column.children.push_back(ResultType::of(DuckType(duckdb_map_type_key_type(type)).get()));
      column.children.push_back(ResultType::of(DuckType(duckdb_map_type_value_type(type)).get()));
      break;
    default:
      add_members(column, type);
  }
}

}  // namespace

ResultType ResultType::of(duckdb_logical_type type) {
  ResultType column;
  column.id = duckdb_get_type_id(type);
  switch (column.id) {
    case DUCKDB_TYPE_DECIMAL:
      column.storage = duckdb_decimal_internal_type(type);
      column.width = duckdb_decimal_width(type);
      column.scale = duckdb_decimal_scale(type);
      break;
    case DUCKDB_TYPE_ENUM:
      column.storage = duckdb_enum_internal_type(type);
      for (idx_t i = 0; i < duckdb_enum_dictionary_size(type); ++i) {
        column.labels.push_back(take_string(duckdb_enum_dictionary_value(type, i)));
      }
      break;
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_ARRAY:
    case DUCKDB_TYPE_MAP:
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_UNION:
      add_children(column, type);
      break;
    default:
      break;
  }
  return column;
}

std::string ResultType::to_string() const {
  switch (id) {
    case DUCKDB_TYPE_DECIMAL:
      return fmt::format("DECIMAL({},{})", width, scale);
    case DUCKDB_TYPE_LIST:
      return children[0].to_string() + "[]";
    case DUCKDB_TYPE_ARRAY:
      return fmt::format("{}[{}]", children[0].to_string(), array_size);
    case DUCKDB_TYPE_MAP:
      return fmt::format("MAP({}, {})", children[0].to_string(), children[1].to_string());
    case DUCKDB_TYPE_ENUM: {
      std::string text;
      for (const auto& label : labels) {
        std::string escaped = label;
        for (size_t at = 0; (at = escaped.find('\'', at)) != std::string::npos; at += 2) {
          escaped.insert(at, 1, '\'');
        }
        text += fmt::format("{}'{}'", text.empty() ? "" : ", ", escaped);
      }
      return "ENUM(" + text + ")";
    }
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_UNION: {
      std::string text;
      for (size_t i = 0; i < children.size(); ++i) {
        text +=
            fmt::format("{}{} {}", i == 0 ? "" : ", ", quoted(labels[i]), children[i].to_string());
      }
      return fmt::format("{}({})", id == DUCKDB_TYPE_STRUCT ? "STRUCT" : "UNION", text);
    }
    default:
      return std::string(plain_name(id));
  }
}

ResultVector ResultVector::of(const ResultType& type, duckdb_vector vector) {
  ResultVector read;
  read.type = &type;
  read.data = duckdb_vector_get_data(vector);
  read.validity = duckdb_vector_get_validity(vector);
  static const ResultType tag{.id = DUCKDB_TYPE_UTINYINT};
  switch (type.id) {
    case DUCKDB_TYPE_LIST:
      read.children.push_back(of(type.children[0], duckdb_list_vector_get_child(vector)));
      break;
    case DUCKDB_TYPE_ARRAY:
      read.children.push_back(of(type.children[0], duckdb_array_vector_get_child(vector)));
      break;
    case DUCKDB_TYPE_MAP: {  // a list of structs of key and value
      duckdb_vector entries = duckdb_list_vector_get_child(vector);
      for (idx_t i = 0; i < 2; ++i) {
        read.children.push_back(of(type.children[i], duckdb_struct_vector_get_child(entries, i)));
      }
      break;
    }
    case DUCKDB_TYPE_STRUCT:
      for (idx_t i = 0; i < type.children.size(); ++i) {
        read.children.push_back(of(type.children[i], duckdb_struct_vector_get_child(vector, i)));
      }
      break;
    case DUCKDB_TYPE_UNION:  // a struct whose first member is the tag
      read.children.push_back(of(tag, duckdb_struct_vector_get_child(vector, 0)));
      for (idx_t i = 0; i < type.children.size(); ++i) {
        read.children.push_back(
            of(type.children[i], duckdb_struct_vector_get_child(vector, i + 1)));
      }
      break;
    default:
      break;
  }
  return read;
}

}  // namespace millrace::query
