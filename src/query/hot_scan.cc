#include "query/hot_scan.h"

#include "query/table_function.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace millrace::query {
namespace {

using columnar::ColumnType;
using tables::HotChunk;

/// Rows that a thread takes at a time: as many as a Parquet row group has.
constexpr size_t kPieceRows = 122'880;

struct Bound {
  std::shared_ptr<QueryContext> context;
  const TableInQuery* table = nullptr;
};

struct Piece {
  const HotChunk* chunk = nullptr;
  size_t begin = 0;
  size_t end = 0;
};

struct Scan {
  std::vector<Piece> pieces;
  std::atomic<size_t> next{0};
  std::vector<idx_t> columns;     // places in the view; beyond its last: no column but a row id
  std::vector<ColumnType> types;  // of the view's columns
};

/// One thread's place.
struct Place {
  Piece piece;
};

void bind(duckdb_bind_info info) {
  auto context = context_of(info);
  if (!context) {
    return;
  }
  const auto found = context->tables.find(text_of(duckdb_bind_get_parameter(info, 0)));
  if (found == context->tables.end()) {
    duckdb_bind_set_error(info, "the table changed while the query began; run it again");
    return;
  }
  const TableInQuery& table = found->second;
  const auto& columns = table.view->schema->schema.columns();
  for (size_t i = 0; i < columns.size(); ++i) {
    const DuckType type = type_of(sql_type_of(columns[i].type));
    duckdb_bind_add_result_column(info, table.view->column_names[i].c_str(), type.get());
  }
  idx_t rows = 0;
  for (const auto& hot : table.hot) {
    rows += hot.rows;
  }
  duckdb_bind_set_cardinality(info, rows, true);
  duckdb_bind_set_bind_data(info, new Bound{std::move(context), &table}, delete_as<Bound>);
}

void init(duckdb_init_info info) {
  const auto* bound = static_cast<const Bound*>(duckdb_init_get_bind_data(info));
  auto scan = std::make_unique<Scan>();
  for (const auto& hot : bound->table->hot) {
    for (size_t begin = 0; begin < hot.rows; begin += kPieceRows) {
      scan->pieces.push_back({hot.chunk.get(), begin, std::min(begin + kPieceRows, hot.rows)});
    }
  }
  for (const auto& column : bound->table->view->schema->schema.columns()) {
    scan->types.push_back(column.type);
  }
  for (idx_t i = 0; i < duckdb_init_get_column_count(info); ++i) {
    scan->columns.push_back(duckdb_init_get_column_index(info, i));
  }
  duckdb_init_set_max_threads(info, std::max<size_t>(scan->pieces.size(), 1));
  duckdb_init_set_init_data(info, scan.release(), delete_as<Scan>);
}

void local_init(duckdb_init_info info) {
  duckdb_init_set_init_data(info, new Place, delete_as<Place>);
}

void set_all_null(duckdb_vector to, size_t count) {
  duckdb_vector_ensure_validity_writable(to);
  std::memset(duckdb_vector_get_validity(to), 0, (count + 63) / 64 * 8);
}

/// A byte a row into a bit a row.
void copy_validity(duckdb_vector to, const uint8_t* is_valid, size_t count) {
  if (is_valid == nullptr || std::memchr(is_valid, 0, count) == nullptr) {
    return;
  }
  duckdb_vector_ensure_validity_writable(to);
  uint64_t* words = duckdb_vector_get_validity(to);
  for (size_t at = 0; at < count; at += 64) {
    const size_t bits = std::min<size_t>(count - at, 64);
    uint64_t word = 0;
    for (size_t i = 0; i < bits; ++i) {
      word |= uint64_t{is_valid[at + i] != 0} << i;
    }
    words[at / 64] = word;
  }
}

void copy_strings(duckdb_string_t* to, const HotChunk::View& from, size_t begin, size_t count) {
  const uint32_t* ends = from.ends + begin;
  for (size_t i = 0; i < count; ++i) {
    const char* text = from.text + ends[i];
    const uint32_t length = ends[i + 1] - ends[i];
    duckdb_string_t string{};  // what a short one does not use is zero: DuckDB compares it
    string.value.inlined.length = length;
    if (length <= sizeof(string.value.inlined.inlined)) {
      if (length > 0) {
        std::memcpy(string.value.inlined.inlined, text, length);
      }
    } else {
      std::memcpy(string.value.pointer.prefix, text, sizeof(string.value.pointer.prefix));
      string.value.pointer.ptr = const_cast<char*>(text);  // never written: hot_scan.h
    }
    to[i] = string;
  }
}

template <typename To, typename From, typename Change>
void convert(void* to, const std::byte* from, size_t count, Change change) {
  auto* target = static_cast<To*>(to);
  const auto* source = reinterpret_cast<const From*>(from);
  for (size_t i = 0; i < count; ++i) {
    target[i] = change(source[i]);
  }
}

/// Fixed-width values of an older type as the view's; by the rules of columnar::widened every value
/// is exact. false: no such way, which only damage could ask for.
bool widen(void* to, ColumnType target, const std::byte* from, ColumnType source, size_t count) {
  const auto as_double = [](auto value) { return static_cast<double>(value); };
  if (source == ColumnType::kI64 && target == ColumnType::kF64) {
    convert<double, int64_t>(to, from, count, as_double);
  } else if (source == ColumnType::kU64 && target == ColumnType::kF64) {
    convert<double, uint64_t>(to, from, count, as_double);
  } else if (source == ColumnType::kI64 && target == ColumnType::kU64) {
    std::memcpy(to, from, count * sizeof(int64_t));
  } else if (source == ColumnType::kTimeUs && target == ColumnType::kTimeNs) {
    // A null's value is zero, so that no product is out of range.
    convert<int64_t, int64_t>(to, from, count, [](int64_t us) { return us * 1000; });
  } else {
    return false;
  }
  return true;
}

bool fill(duckdb_vector to, ColumnType target, const Piece& piece, idx_t column, size_t count) {
  if (column >= piece.chunk->schema()->schema.columns().size()) {
    set_all_null(to, count);
    return true;
  }
  const HotChunk::View from = piece.chunk->column(column);
  if (from.type == ColumnType::kNull) {
    set_all_null(to, count);
    return true;
  }
  void* data = duckdb_vector_get_data(to);
  if (from.type != target) {
    const std::byte* values = from.values + piece.begin * columnar::width_of(from.type);
    if (has_offsets(from.type) || !widen(data, target, values, from.type, count)) {
      return false;
    }
  } else if (has_offsets(target)) {
    copy_strings(static_cast<duckdb_string_t*>(data), from, piece.begin, count);
  } else {
    const size_t width = columnar::width_of(target);
    std::memcpy(data, from.values + piece.begin * width, count * width);
  }
  copy_validity(to, from.is_valid == nullptr ? nullptr : from.is_valid + piece.begin, count);
  return true;
}

void next_rows(duckdb_function_info info, duckdb_data_chunk output) {
  auto* scan = static_cast<Scan*>(duckdb_function_get_init_data(info));
  Piece& piece = static_cast<Place*>(duckdb_function_get_local_init_data(info))->piece;
  if (piece.begin == piece.end) {
    const size_t next = scan->next.fetch_add(1, std::memory_order_relaxed);
    if (next >= scan->pieces.size()) {
      duckdb_data_chunk_set_size(output, 0);
      return;
    }
    piece = scan->pieces[next];
  }
  const size_t count = std::min<size_t>(duckdb_vector_size(), piece.end - piece.begin);
  for (idx_t i = 0; i < scan->columns.size(); ++i) {
    const idx_t column = scan->columns[i];
    if (column < scan->types.size() &&
        !fill(duckdb_data_chunk_get_vector(output, i), scan->types[column], piece, column, count)) {
      duckdb_function_set_error(info, "a hot chunk's column is of a type that is not of its table");
      return;
    }
  }
  piece.begin += count;
  duckdb_data_chunk_set_size(output, count);
}

}  // namespace

duckdb_type sql_type_of(ColumnType type) {
  switch (type) {
    case ColumnType::kNull:
      return DUCKDB_TYPE_INTEGER;
    case ColumnType::kBool:
      return DUCKDB_TYPE_BOOLEAN;
    case ColumnType::kI64:
      return DUCKDB_TYPE_BIGINT;
    case ColumnType::kU64:
      return DUCKDB_TYPE_UBIGINT;
    case ColumnType::kF64:
      return DUCKDB_TYPE_DOUBLE;
    case ColumnType::kString:
      return DUCKDB_TYPE_VARCHAR;
    case ColumnType::kTimeUs:
      return DUCKDB_TYPE_TIMESTAMP;
    case ColumnType::kTimeNs:
      return DUCKDB_TYPE_TIMESTAMP_NS;
    case ColumnType::kBinary:
      return DUCKDB_TYPE_BLOB;
  }
  return DUCKDB_TYPE_INVALID;
}

Status register_hot_scan(duckdb_connection connection, QueryContexts& contexts) {
  const DuckTableFunction function(duckdb_create_table_function());
  duckdb_table_function_set_name(function.get(), kHotScanName);
  duckdb_table_function_add_parameter(function.get(), type_of(DUCKDB_TYPE_VARCHAR).get());
  duckdb_table_function_set_extra_info(function.get(), &contexts, nullptr);
  duckdb_table_function_set_bind(function.get(), bind);
  duckdb_table_function_set_init(function.get(), init);
  duckdb_table_function_set_local_init(function.get(), local_init);
  duckdb_table_function_set_function(function.get(), next_rows);
  duckdb_table_function_supports_projection_pushdown(function.get(), true);
  if (duckdb_register_table_function(connection, function.get()) != DuckDBSuccess) {
    return make_error(Code::kInternal, "DuckDB does not take the table function {}", kHotScanName);
  }
  return {};
}

}  // namespace millrace::query
