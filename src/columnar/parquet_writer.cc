#include "columnar/parquet_writer.h"

#include "bytes/buffer.h"
#include "bytes/crc32c.h"
#include "columnar/arrow_bridge.h"
#include "columnar/parquet_footer.h"

#include <arrow/io/interfaces.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/writer.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace millrace::columnar {
namespace {

/// Arrow's stream over ours; keeps the sink's error, of which Arrow's would be only a shadow.
class SinkStream final : public arrow::io::OutputStream {
 public:
  explicit SinkStream(Sink& sink) : sink_(sink) {}

  arrow::Status Write(const void* data, int64_t size) override {
    const std::span bytes(static_cast<const std::byte*>(data), static_cast<size_t>(size));
    position_ += size;
    if (is_held_back_) {
      end_ += bytes::as_text(bytes);
      return arrow::Status::OK();
    }
    return pass_on(bytes);
  }

  using arrow::io::OutputStream::Write;

  arrow::Result<int64_t> Tell() const override { return position_; }

  arrow::Status Close() override {
    is_closed_ = true;
    return arrow::Status::OK();
  }

  bool closed() const override { return is_closed_; }

  const std::optional<Error>& error() const { return error_; }

  /// What is written from now on waits for finish(): the end of the file.
  void hold_back() { is_held_back_ = true; }

  /// Puts the checksum of all bytes into the footer and passes the end on.
  arrow::Status finish() {
    const auto digits = find_checksum(end_);
    if (!digits) {
      return arrow::Status::Invalid("the footer has no place for the checksum");
    }
    const uint32_t crc = bytes::crc32c(bytes::as_bytes(end_), crc_);
    end_.replace(*digits, kNoChecksum.size(), fmt::format("{:08x}", crc));
    return pass_on(bytes::as_bytes(end_));
  }

 private:
  arrow::Status pass_on(std::span<const std::byte> bytes) {
    crc_ = bytes::crc32c(bytes, crc_);
    if (const auto status = sink_.write(bytes); !status.ok()) {
      error_ = status.error();
      return arrow::Status::IOError(error_->message);
    }
    return arrow::Status::OK();
  }

  Sink& sink_;
  int64_t position_ = 0;
  bool is_closed_ = false;
  bool is_held_back_ = false;
  uint32_t crc_ = 0;  // of what was passed on
  std::string end_;
  std::optional<Error> error_;
};

Status check(std::span<const ColumnBatch* const> batches, const Schema& schema) {
  const auto& columns = schema.columns();
  for (const ColumnBatch* batch : batches) {
    if (batch->columns.size() != columns.size()) {
      return make_error(Code::kInvalid, "parquet: a batch of {} columns, the schema has {}",
                        batch->columns.size(), columns.size());
    }
    for (size_t i = 0; i < columns.size(); ++i) {
      const Column& column = batch->columns[i];
      if (column.name != columns[i].name || column.type != columns[i].type) {
        return make_error(
            Code::kInvalid, "parquet: column \"{}\" of type {}, the schema has \"{}\" of {}",
            column.name, name_of(column.type), columns[i].name, name_of(columns[i].type));
      }
    }
  }
  return {};
}

bool has_nan(std::span<const ColumnBatch* const> batches, size_t column) {
  return std::ranges::any_of(batches, [&](const ColumnBatch* batch) {
    return std::ranges::any_of(batch->columns[column].values_as<double>(),
                               [](double value) { return std::isnan(value); });
  });
}

std::shared_ptr<parquet::WriterProperties> properties_of(
    std::span<const ColumnBatch* const> batches, const Schema& schema,
    const ParquetSettings& settings) {
  parquet::WriterProperties::Builder builder;
  builder.compression(arrow::Compression::ZSTD)
      ->compression_level(settings.zstd_level)
      ->max_row_group_length(settings.row_group_rows)
      ->data_pagesize(settings.page_bytes)
      ->enable_write_page_index()
      ->enable_page_checksum()
      ->created_by("millrace");
  for (size_t i = 0; i < schema.columns().size(); ++i) {
    const SchemaColumn& column = schema.columns()[i];
    if (is_time(column.type)) {
      builder.disable_dictionary(column.name)
          ->encoding(column.name, parquet::Encoding::DELTA_BINARY_PACKED);
    } else if (column.type == ColumnType::kF64) {
      builder.disable_dictionary(column.name)
          ->encoding(column.name, parquet::Encoding::BYTE_STREAM_SPLIT);
      if (has_nan(batches, i)) {
        // Parquet leaves NaN out of them, DuckDB holds it for the greatest value and would skip it.
        builder.disable_statistics(column.name);
      }
    } else if (column.is_tag) {
      builder.disable_statistics(column.name);
    }
  }
  return builder.build();
}

arrow::Result<std::shared_ptr<arrow::Table>> table_of(std::span<const ColumnBatch* const> batches,
                                                      const Schema& schema) {
  int64_t rows = 0;
  for (const ColumnBatch* batch : batches) {
    rows += static_cast<int64_t>(batch->rows);
  }
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector columns;
  for (size_t i = 0; i < schema.columns().size(); ++i) {
    const SchemaColumn& column = schema.columns()[i];
    ARROW_ASSIGN_OR_RAISE(auto values, arrow_column(batches, column, i));
    fields.push_back(arrow_field(column));
    columns.push_back(std::move(values));
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), rows);
}

arrow::Result<ParquetFile> write(std::span<const ColumnBatch* const> batches, const Schema& schema,
                                 const ParquetSettings& settings,
                                 const std::shared_ptr<SinkStream>& stream) {
  ARROW_ASSIGN_OR_RAISE(const auto table, table_of(batches, schema));
  ARROW_ASSIGN_OR_RAISE(auto writer, parquet::arrow::FileWriter::Open(
                                         *table->schema(), arrow::default_memory_pool(), stream,
                                         properties_of(batches, schema, settings)));
  auto metadata = std::make_shared<arrow::KeyValueMetadata>();
  for (const auto& [key, value] : settings.metadata) {
    metadata->Append(key, value);
  }
  metadata->Append(std::string(kChecksumKey), std::string(kNoChecksum));  // the last: finish()
  ARROW_RETURN_NOT_OK(writer->AddKeyValueMetadata(metadata));
  ARROW_RETURN_NOT_OK(writer->WriteTable(*table, settings.row_group_rows));
  stream->hold_back();
  ARROW_RETURN_NOT_OK(writer->Close());
  ARROW_RETURN_NOT_OK(stream->finish());
  ARROW_ASSIGN_OR_RAISE(const int64_t bytes, stream->Tell());
  return ParquetFile{.bytes = static_cast<uint64_t>(bytes),
                     .rows = static_cast<uint64_t>(table->num_rows()),
                     .row_groups = static_cast<uint64_t>(writer->metadata()->num_row_groups())};
}

}  // namespace

Result<ParquetFile> write_parquet(std::span<const ColumnBatch* const> batches, const Schema& schema,
                                  const ParquetSettings& settings, Sink& sink) {
  MILLRACE_TRY_STATUS(check(batches, schema));
  if (schema.columns().empty()) {
    return make_error(Code::kInvalid, "parquet: a file without columns");
  }
  const auto stream = std::make_shared<SinkStream>(sink);
  try {
    auto file = write(batches, schema, settings, stream);
    if (file.ok()) {
      return *file;
    }
    if (const std::optional<Error>& error = stream->error()) {
      return *error;
    }
    return make_error(Code::kInternal, "parquet: {}", file.status().ToString());
  } catch (const std::exception& problem) {  // parquet's own, where Arrow lets them through
    return make_error(Code::kInternal, "parquet: {}", problem.what());
  }
}

}  // namespace millrace::columnar
