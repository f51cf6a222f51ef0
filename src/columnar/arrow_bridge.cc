#include "columnar/arrow_bridge.h"

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/buffer.h>
#include <arrow/chunked_array.h>
#include <arrow/type.h>

#include <string_view>
#include <unordered_map>
#include <utility>

namespace millrace::columnar {
namespace {

std::shared_ptr<arrow::DataType> arrow_type(const SchemaColumn& column) {
  switch (column.type) {
    case ColumnType::kNull:
      return arrow::null();
    case ColumnType::kBool:
      return arrow::boolean();
    case ColumnType::kI64:
      return arrow::int64();
    case ColumnType::kU64:
      return arrow::uint64();
    case ColumnType::kF64:
      return arrow::float64();
    case ColumnType::kString:
      return column.is_tag ? arrow::dictionary(arrow::int32(), arrow::utf8()) : arrow::utf8();
    case ColumnType::kTimeUs:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case ColumnType::kTimeNs:
      return arrow::timestamp(arrow::TimeUnit::NANO);
    case ColumnType::kBinary:
      return arrow::binary();
  }
  return arrow::null();
}

/// The same memory; nullptr when there is none, as Arrow has it.
std::shared_ptr<arrow::Buffer> view_of(const bytes::Buffer& buffer) {
  if (buffer.empty()) {
    return nullptr;
  }
  return std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(buffer.data()),
                                         static_cast<int64_t>(buffer.size()));
}

arrow::Result<std::shared_ptr<arrow::Array>> bool_array(const Column& column, size_t rows) {
  arrow::BooleanBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<int64_t>(rows)));
  const auto values = column.values_as<uint8_t>();
  for (size_t row = 0; row < rows; ++row) {
    if (column.is_null(row)) {
      builder.UnsafeAppendNull();
    } else {
      builder.UnsafeAppend(values[row] != 0);
    }
  }
  return builder.Finish();
}

/// Tags of all batches over one dictionary, which is complete before the first chunk is made.
class TagColumn {
 public:
  explicit TagColumn(std::shared_ptr<arrow::DataType> type) : type_(std::move(type)) {}

  arrow::Status append(const Column& column, size_t rows) {
    arrow::Int32Builder indexes;
    ARROW_RETURN_NOT_OK(indexes.Reserve(static_cast<int64_t>(rows)));
    for (size_t row = 0; row < rows; ++row) {
      if (column.is_null(row)) {
        indexes.UnsafeAppendNull();
        continue;
      }
      const std::string_view text = column.text(row);
      if (text != last_ || places_.empty()) {  // sorted rows repeat their tags
        const auto [found, is_new] = places_.emplace(text, static_cast<int32_t>(places_.size()));
        if (is_new) {
          ARROW_RETURN_NOT_OK(values_.Append(text));
        }
        last_ = text;
        last_place_ = found->second;
      }
      indexes.UnsafeAppend(last_place_);
    }
    ARROW_ASSIGN_OR_RAISE(auto chunk, indexes.Finish());
    chunks_.push_back(std::move(chunk));
    return arrow::Status::OK();
  }

  arrow::Result<arrow::ArrayVector> finish() {
    ARROW_ASSIGN_OR_RAISE(const auto dictionary, values_.Finish());
    arrow::ArrayVector arrays;
    arrays.reserve(chunks_.size());
    for (const auto& indexes : chunks_) {
      arrays.push_back(std::make_shared<arrow::DictionaryArray>(type_, indexes, dictionary));
    }
    return arrays;
  }

 private:
  std::shared_ptr<arrow::DataType> type_;
  std::unordered_map<std::string_view, int32_t> places_;  // names point into the columns
  std::string_view last_;
  int32_t last_place_ = 0;
  arrow::StringBuilder values_;
  arrow::ArrayVector chunks_;  // of indexes
};

arrow::Result<std::shared_ptr<arrow::Array>> plain_array(
    const Column& column, const std::shared_ptr<arrow::DataType>& type, size_t rows) {
  if (column.type == ColumnType::kNull) {
    return std::make_shared<arrow::NullArray>(static_cast<int64_t>(rows));
  }
  if (column.type == ColumnType::kBool) {
    return bool_array(column, rows);
  }
  std::vector<std::shared_ptr<arrow::Buffer>> buffers = {view_of(column.validity)};
  if (has_offsets(column.type)) {
    buffers.push_back(view_of(column.offsets));
  }
  buffers.push_back(view_of(column.values));
  if (buffers.back() == nullptr) {  // only the bitmap may be missing: strings that are all empty
    static constexpr uint8_t kNoBytes = 0;
    buffers.back() = std::make_shared<arrow::Buffer>(&kNoBytes, 0);
  }
  return arrow::MakeArray(arrow::ArrayData::Make(type, static_cast<int64_t>(rows),
                                                 std::move(buffers),
                                                 static_cast<int64_t>(column.null_count)));
}

}  // namespace

std::shared_ptr<arrow::Field> arrow_field(const SchemaColumn& column) {
  return arrow::field(column.name, arrow_type(column));
}

arrow::Result<std::shared_ptr<arrow::ChunkedArray>> arrow_column(
    std::span<const ColumnBatch* const> batches, const SchemaColumn& column, size_t place) {
  const std::shared_ptr<arrow::DataType> type = arrow_type(column);
  arrow::ArrayVector arrays;
  if (type->id() == arrow::Type::DICTIONARY) {
    TagColumn tags(type);
    for (const ColumnBatch* batch : batches) {
      ARROW_RETURN_NOT_OK(tags.append(batch->columns[place], batch->rows));
    }
    ARROW_ASSIGN_OR_RAISE(arrays, tags.finish());
  } else {
    for (const ColumnBatch* batch : batches) {
      ARROW_ASSIGN_OR_RAISE(auto array, plain_array(batch->columns[place], type, batch->rows));
      arrays.push_back(std::move(array));
    }
  }
  return arrow::ChunkedArray::Make(std::move(arrays), type);
}

}  // namespace millrace::columnar
