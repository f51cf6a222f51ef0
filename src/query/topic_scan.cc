#include "query/topic_scan.h"

#include "columnar/utf8.h"
#include "query/table_function.h"
#include "record/record_reader.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>

namespace millrace::query {
namespace {

using record::Record;

/// Offsets that a thread takes at a time.
constexpr int64_t kPieceOffsets = 1 << 16;
constexpr size_t kReadBytes = size_t{1} << 20;
/// Of one batch, decompressed: as the broker reads them.
constexpr size_t kMostContent = size_t{256} << 20;

enum Columns : idx_t { kPartition, kOffset, kTimestamp, kKey, kValue, kHeaders, kColumnCount };

struct Piece {
  TopicPartition partition;
  Offset begin;
  Offset end;
};

struct Bound {
  std::shared_ptr<QueryContext> context;
  std::string topic;
  std::vector<Piece> pieces;
};

struct Scan {
  const Bound* bound = nullptr;
  std::atomic<size_t> next{0};
  std::vector<idx_t> columns;
};

/// One thread's place: a piece, the batches of it that were read, the records of the front one.
struct Place {
  Piece piece;
  std::vector<record::StoredBatch> batches;
  size_t batch = 0;
  std::optional<record::RecordReader> reader;
  Record record;
};

std::optional<int64_t> number_of(duckdb_bind_info info, const char* name) {
  const DuckValue value(duckdb_bind_get_named_parameter(info, name));
  if (!value || duckdb_is_null_value(value.get())) {
    return std::nullopt;
  }
  return duckdb_get_int64(value.get());
}

void add_columns(duckdb_bind_info info) {
  const DuckType text = type_of(DUCKDB_TYPE_VARCHAR);
  const DuckType blob = type_of(DUCKDB_TYPE_BLOB);
  std::array types = {text.get(), blob.get()};
  std::array names = {"key", "value"};
  const DuckType header(duckdb_create_struct_type(types.data(), names.data(), types.size()));
  const DuckType headers(duckdb_create_list_type(header.get()));
  duckdb_bind_add_result_column(info, "partition", type_of(DUCKDB_TYPE_INTEGER).get());
  duckdb_bind_add_result_column(info, "offset", type_of(DUCKDB_TYPE_BIGINT).get());
  duckdb_bind_add_result_column(info, "timestamp", type_of(DUCKDB_TYPE_TIMESTAMP_MS).get());
  duckdb_bind_add_result_column(info, "key", blob.get());
  duckdb_bind_add_result_column(info, "value", blob.get());
  duckdb_bind_add_result_column(info, "headers", headers.get());
}

void add_pieces(Bound& bound, const TopicExtent::Partition& partition, Offset from, Offset to) {
  const Offset end = std::min(partition.range.end, to);
  for (Offset at = std::max(partition.range.start, from); at < end;) {
    const Offset next = end - at > kPieceOffsets ? at + kPieceOffsets : end;
    bound.pieces.push_back({partition.id, at, next});
    at = next;
  }
}

Status bind_topic(duckdb_bind_info info, Bound& bound) {
  const DuckValue name(duckdb_bind_get_parameter(info, 0));
  if (!name || duckdb_is_null_value(name.get())) {
    return make_error(Code::kInvalid, "topic(NULL): its argument is the name of a topic");
  }
  bound.topic = take_string(duckdb_get_varchar(name.get()));
  MILLRACE_TRY(const TopicExtent extent, bound.context->topic(bound.topic));
  const auto partition = number_of(info, "partition");
  const Offset from{number_of(info, "from_offset").value_or(0)};
  const Offset to{number_of(info, "to_offset").value_or(std::numeric_limits<int64_t>::max())};
  bool is_found = false;
  for (const auto& one : extent.partitions) {
    if (!partition || one.id.partition.value == *partition) {
      is_found = true;
      add_pieces(bound, one, from, to);
    }
  }
  if (partition && !is_found) {
    return make_error(Code::kInvalid, "topic '{}' has no partition {}: it has {}", bound.topic,
                      *partition, extent.partitions.size());
  }
  return {};
}

void bind(duckdb_bind_info info) {
  auto bound = std::make_unique<Bound>();
  bound->context = context_of(info);
  if (!bound->context) {
    return;
  }
  Status status = bind_topic(info, *bound);
  if (!status.ok()) {
    Error error = std::move(status).error();
    duckdb_bind_set_error(info, error.message.c_str());
    bound->context->fail(std::move(error));
    return;
  }
  add_columns(info);
  int64_t rows = 0;
  for (const Piece& piece : bound->pieces) {
    rows += piece.end - piece.begin;
  }
  duckdb_bind_set_cardinality(info, static_cast<idx_t>(rows), false);
  duckdb_bind_set_bind_data(info, bound.release(), delete_as<Bound>);
}

void init(duckdb_init_info info) {
  auto scan = std::make_unique<Scan>();
  scan->bound = static_cast<const Bound*>(duckdb_init_get_bind_data(info));
  for (idx_t i = 0; i < duckdb_init_get_column_count(info); ++i) {
    scan->columns.push_back(duckdb_init_get_column_index(info, i));
  }
  duckdb_init_set_max_threads(info, std::max<size_t>(scan->bound->pieces.size(), 1));
  duckdb_init_set_init_data(info, scan.release(), delete_as<Scan>);
}

void local_init(duckdb_init_info info) {
  duckdb_init_set_init_data(info, new Place, delete_as<Place>);
}

Status open_batch(Place& place) {
  const auto& stored = place.batches[place.batch];
  MILLRACE_TRY(auto header, record::parse_header(stored.payload.span()));
  header.base_offset = stored.base_offset;  // the batch's own is what the producer wrote
  if (header.is_control()) {
    place.reader.reset();
    return {};
  }
  MILLRACE_TRY(place.reader,
               record::RecordReader::open({header, stored.payload.span()}, kMostContent));
  return {};
}

/// The next record of the open batch that is in the piece, into place.record; false after the last.
Result<bool> next_in_batch(Place& place) {
  while (place.reader && place.reader->next(place.record)) {
    if (place.record.offset >= place.piece.end) {
      place.piece.begin = place.piece.end;
      return false;
    }
    if (place.record.offset >= place.piece.begin) {
      place.piece.begin = place.record.offset + 1;
      return true;
    }
  }
  if (place.reader) {
    MILLRACE_TRY_STATUS(place.reader->status());
  }
  return false;
}

/// Behind the open batch, if there is one, to the next one, read if need be. The piece is empty
/// afterwards when none of it is left.
Status open_next_batch(const TopicSource& source, Place& place) {
  place.reader.reset();
  if (place.batch < place.batches.size()) {
    const auto& batch = place.batches[place.batch++];
    place.piece.begin = std::max(place.piece.begin, batch.base_offset + batch.records);
  }
  if (place.piece.begin >= place.piece.end) {
    return {};
  }
  if (place.batch == place.batches.size()) {
    MILLRACE_TRY(place.batches, source.read(place.piece.partition, place.piece.begin, kReadBytes));
    place.batch = 0;
  }
  if (place.batches.empty() || place.batches[place.batch].base_offset >= place.piece.end) {
    place.piece.begin = place.piece.end;  // retention took the rest of it
    return {};
  }
  return open_batch(place);
}

/// The next record of the place's piece into place.record; false after the last one.
Result<bool> next_in_piece(const TopicSource& source, Place& place) {
  while (place.piece.begin < place.piece.end) {
    MILLRACE_TRY(const bool found, next_in_batch(place));
    if (found) {
      return true;
    }
    if (place.piece.begin < place.piece.end) {
      MILLRACE_TRY_STATUS(open_next_batch(source, place));
    }
  }
  return false;
}

Result<bool> next_record(Scan& scan, Place& place) {
  for (;;) {
    MILLRACE_TRY(const bool found, next_in_piece(scan.bound->context->topics(), place));
    if (found) {
      return true;
    }
    const size_t next = scan.next.fetch_add(1, std::memory_order_relaxed);
    if (next >= scan.bound->pieces.size()) {
      return false;
    }
    place = Place{.piece = scan.bound->pieces[next]};
  }
}

void set_null(duckdb_vector vector, idx_t row) {
  duckdb_vector_ensure_validity_writable(vector);
  duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

void put_bytes(duckdb_vector vector, idx_t row, std::optional<std::span<const std::byte>> bytes) {
  if (!bytes) {
    set_null(vector, row);
    return;
  }
  duckdb_vector_assign_string_element_len(vector, row, reinterpret_cast<const char*>(bytes->data()),
                                          bytes->size());
}

/// A header's key is text by Kafka's rules, which no producer is held to.
std::string as_utf8(std::string_view key) {
  std::string text;
  while (const auto wrong = columnar::find_invalid_utf8(key)) {
    text += key.substr(0, *wrong);
    text += "\xEF\xBF\xBD";
    key.remove_prefix(*wrong + 1);
  }
  return text += key;
}

void put_headers(duckdb_vector vector, idx_t row, const std::vector<record::Header>& headers) {
  const idx_t first = duckdb_list_vector_get_size(vector);
  duckdb_list_vector_reserve(vector, first + headers.size());
  duckdb_list_vector_set_size(vector, first + headers.size());
  duckdb_vector entries = duckdb_list_vector_get_child(vector);
  for (idx_t i = 0; i < headers.size(); ++i) {
    const std::string key = as_utf8(headers[i].key);
    duckdb_vector_assign_string_element_len(duckdb_struct_vector_get_child(entries, 0), first + i,
                                            key.data(), key.size());
    put_bytes(duckdb_struct_vector_get_child(entries, 1), first + i, headers[i].value);
  }
  static_cast<duckdb_list_entry*>(duckdb_vector_get_data(vector))[row] = {first, headers.size()};
}

void put_field(duckdb_vector vector, idx_t column, idx_t row, const Place& place) {
  const Record& record = place.record;
  void* data = duckdb_vector_get_data(vector);
  switch (column) {
    case kPartition:
      static_cast<int32_t*>(data)[row] = place.piece.partition.partition.value;
      break;
    case kOffset:
      static_cast<int64_t*>(data)[row] = record.offset.value;
      break;
    case kTimestamp: {
      const int64_t ms = record.timestamp.time_since_epoch().count();
      static_cast<int64_t*>(data)[row] = ms;
      if (ms == -1) {  // Kafka's "none"
        set_null(vector, row);
      }
      break;
    }
    case kKey:
      put_bytes(vector, row, record.key);
      break;
    case kValue:
      put_bytes(vector, row, record.value);
      break;
    case kHeaders:
      put_headers(vector, row, record.headers);
      break;
    default:
      break;  // a row id, when no column is asked for
  }
}

void next_rows(duckdb_function_info info, duckdb_data_chunk output) {
  auto* scan = static_cast<Scan*>(duckdb_function_get_init_data(info));
  auto* place = static_cast<Place*>(duckdb_function_get_local_init_data(info));
  const idx_t most = duckdb_vector_size();
  idx_t row = 0;
  for (; row < most; ++row) {
    auto found = next_record(*scan, *place);
    if (!found.ok()) {
      Error error = std::move(found).error().within(
          fmt::format("topic '{}', partition {}, from offset {}", scan->bound->topic,
                      place->piece.partition.partition, place->piece.begin));
      if (error.code == Code::kInvalid) {
        error.code = Code::kCorrupt;  // records that were checked when they came in
      }
      duckdb_function_set_error(info, error.message.c_str());
      scan->bound->context->fail(std::move(error));
      return;
    }
    if (!*found) {
      break;
    }
    for (idx_t i = 0; i < scan->columns.size(); ++i) {
      put_field(duckdb_data_chunk_get_vector(output, i), scan->columns[i], row, *place);
    }
  }
  duckdb_data_chunk_set_size(output, row);
}

}  // namespace

Status register_topic_scan(duckdb_connection connection, QueryContexts& contexts) {
  const DuckTableFunction function(duckdb_create_table_function());
  duckdb_table_function_set_name(function.get(), "topic");
  duckdb_table_function_add_parameter(function.get(), type_of(DUCKDB_TYPE_VARCHAR).get());
  for (const char* name : {"partition", "from_offset", "to_offset"}) {
    duckdb_table_function_add_named_parameter(function.get(), name,
                                              type_of(DUCKDB_TYPE_BIGINT).get());
  }
  duckdb_table_function_set_extra_info(function.get(), &contexts, nullptr);
  duckdb_table_function_set_bind(function.get(), bind);
  duckdb_table_function_set_init(function.get(), init);
  duckdb_table_function_set_local_init(function.get(), local_init);
  duckdb_table_function_set_function(function.get(), next_rows);
  duckdb_table_function_supports_projection_pushdown(function.get(), true);
  if (duckdb_register_table_function(connection, function.get()) != DuckDBSuccess) {
    return make_error(Code::kInternal, "DuckDB does not take the table function topic");
  }
  return {};
}

}  // namespace millrace::query
