#include "columnar/parquet_writer.h"

#include "columnar/column_builder.h"

#include <arrow/array.h>
#include <arrow/io/memory.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/page_index.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace millrace::columnar {
namespace {

class MemorySink final : public Sink {
 public:
  Status write(std::span<const std::byte> bytes) override {
    if (content.size() + bytes.size() > limit) {
      return make_error(Code::kOverloaded, "the disk is full");
    }
    content += bytes::as_text(bytes);
    return {};
  }

  std::string content;
  size_t limit = std::numeric_limits<size_t>::max();
};

std::unique_ptr<parquet::ParquetFileReader> opened(const std::string& content) {
  return parquet::ParquetFileReader::Open(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(content)));
}

std::shared_ptr<arrow::Table> table_in(const std::string& content) {
  auto input = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(content));
  auto reader = parquet::arrow::OpenFile(input, arrow::default_memory_pool());
  EXPECT_TRUE(reader.ok()) << reader.status().ToString();
  auto table = (*reader)->ReadTable();
  EXPECT_TRUE(table.ok()) << table.status().ToString();
  return (*table)->CombineChunks().ValueOrDie();
}

Column column_of(std::string name, const std::vector<Value>& values, bool is_tag = false) {
  ColumnBuilder builder;
  for (const Value& value : values) {
    EXPECT_TRUE(builder.append(value));
  }
  return std::move(builder).finish(std::move(name), is_tag);
}

Column times(const std::vector<int64_t>& values, ColumnType type = ColumnType::kTimeUs) {
  std::vector<Value> each;
  each.reserve(values.size());
  for (const int64_t value : values) {
    each.push_back(Value::of_i64(value));
  }
  Column column = column_of("time", each);
  column.type = type;
  return column;
}

/// A row of every type and one of nulls.
ColumnBatch every_type() {
  const Value null;
  return {.columns = {times({-5, 1'700'000'000'000'001}),
                      column_of("host", {Value::of_string("a"), null}, true),
                      column_of("flag", {Value::of_bool(true), null}),
                      column_of("count", {Value::of_i64(-9'007'199'254'740'993), null}),
                      column_of("large", {Value::of_u64(~uint64_t{0}), null}),
                      column_of("value", {Value::of_f64(0.1), null}),
                      column_of("text", {Value::of_string("gr\xC3\xBC"), null}),
                      column_of("none.yet", {null, null})},
          .rows = 2};
}

Schema schema_of(const ColumnBatch& batch) {
  return admit(Schema(), batch)->schema.value();
}

Result<ParquetFile> written(const std::vector<ColumnBatch>& batches, const Schema& schema,
                            Sink& sink, const ParquetSettings& settings = {}) {
  std::vector<const ColumnBatch*> pointers;
  pointers.reserve(batches.size());
  for (const ColumnBatch& batch : batches) {
    pointers.push_back(&batch);
  }
  return write_parquet(pointers, schema, settings, sink);
}

bool has_encoding(const parquet::ColumnChunkMetaData& column, parquet::Encoding::type encoding) {
  const auto& encodings = column.encodings();
  return std::ranges::find(encodings, encoding) != encodings.end();
}

TEST(ParquetWriter, EveryTypeComesBackWithItsNulls) {
  MemorySink sink;
  const ColumnBatch batch = every_type();
  const auto file = written({batch}, schema_of(batch), sink);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->bytes, sink.content.size());
  EXPECT_EQ(file->rows, 2U);
  EXPECT_EQ(file->row_groups, 1U);
  const auto table = table_in(sink.content);
  EXPECT_EQ(table->schema()->ToString(),
            "time: timestamp[us]\nhost: string\nflag: bool\ncount: int64\nlarge: uint64\n"
            "value: double\ntext: string\nnone.yet: null");
  const auto cell = [&](int column, int64_t row) {
    return table->column(column)->GetScalar(row).ValueOrDie()->ToString();
  };
  EXPECT_EQ(cell(0, 0), "1969-12-31 23:59:59.999995");
  EXPECT_EQ(cell(0, 1), "2023-11-14 22:13:20.000001");
  EXPECT_EQ(cell(1, 0), "a");
  EXPECT_EQ(cell(2, 0), "true");
  EXPECT_EQ(cell(3, 0), "-9007199254740993");
  EXPECT_EQ(cell(4, 0), "18446744073709551615");
  EXPECT_EQ(cell(5, 0), "0.1");
  EXPECT_EQ(cell(6, 0), "gr\xC3\xBC");
  for (int column = 1; column < 8; ++column) {
    EXPECT_EQ(cell(column, 1), "null") << column;
  }
}

TEST(ParquetWriter, NanosecondsAreExactAndWithoutZone) {
  MemorySink sink;
  const ColumnBatch batch{
      .columns = {times({std::numeric_limits<int64_t>::min(), 1'700'000'000'000'000'001},
                        ColumnType::kTimeNs)},
      .rows = 2};
  ASSERT_TRUE(written({batch}, schema_of(batch), sink).ok());
  const auto table = table_in(sink.content);
  EXPECT_EQ(table->schema()->field(0)->type()->ToString(), "timestamp[ns]");
  const auto& values = static_cast<const arrow::TimestampArray&>(*table->column(0)->chunk(0));
  EXPECT_EQ(values.Value(0), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(values.Value(1), 1'700'000'000'000'000'001);
  EXPECT_FALSE(
      opened(sink.content)->metadata()->schema()->Column(0)->logical_type()->ToString().empty());
}

TEST(ParquetWriter, EncodingsStatisticsAndPageIndexAreAsDocumented) {
  MemorySink sink;
  const ColumnBatch batch = every_type();
  ASSERT_TRUE(written({batch}, schema_of(batch), sink).ok());
  const auto reader = opened(sink.content);
  const auto group = reader->metadata()->RowGroup(0);
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(group->ColumnChunk(i)->compression(), arrow::Compression::ZSTD);
  }
  const auto time = group->ColumnChunk(0);
  EXPECT_TRUE(has_encoding(*time, parquet::Encoding::DELTA_BINARY_PACKED));
  EXPECT_FALSE(time->has_dictionary_page());
  ASSERT_TRUE(time->is_stats_set());
  EXPECT_EQ(std::static_pointer_cast<parquet::Int64Statistics>(time->statistics())->min(), -5);
  const auto host = group->ColumnChunk(1);
  EXPECT_TRUE(host->has_dictionary_page());
  EXPECT_FALSE(host->is_stats_set());
  const auto value = group->ColumnChunk(5);
  EXPECT_TRUE(has_encoding(*value, parquet::Encoding::BYTE_STREAM_SPLIT));
  EXPECT_FALSE(value->has_dictionary_page());
  EXPECT_EQ(value->statistics()->null_count(), 1);
  EXPECT_TRUE(group->ColumnChunk(6)->is_stats_set());
  const auto index = reader->GetPageIndexReader()->RowGroup(0);
  EXPECT_NE(index->GetColumnIndex(0), nullptr);
  EXPECT_NE(index->GetOffsetIndex(0), nullptr);
  EXPECT_EQ(reader->metadata()->created_by(), "millrace");
}

TEST(ParquetWriter, DoublesWithNaNHaveNoStatistics) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [values, has_statistics] :
       {std::pair{std::vector<double>{1, 2}, true}, {{nan, 2}, false}, {{1, -nan}, false}}) {
    MemorySink sink;
    const ColumnBatch batch{.columns = {times({1, 2}), column_of("v", {Value::of_f64(values[0]),
                                                                       Value::of_f64(values[1])})},
                            .rows = 2};
    ASSERT_TRUE(written({batch}, schema_of(batch), sink).ok());
    const auto reader = opened(sink.content);
    EXPECT_EQ(reader->metadata()->RowGroup(0)->ColumnChunk(1)->is_stats_set(), has_statistics);
    EXPECT_TRUE(reader->metadata()->RowGroup(0)->ColumnChunk(0)->is_stats_set());
    EXPECT_EQ(reader->GetPageIndexReader()->RowGroup(0)->GetColumnIndex(1) != nullptr,
              has_statistics);
  }
}

/// Every page, with its CRC32 compared.
void read_pages(const std::string& content) {
  parquet::ReaderProperties properties;
  properties.set_page_checksum_verification(true);
  const auto reader = parquet::ParquetFileReader::Open(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(content)), properties);
  for (int group = 0; group < reader->metadata()->num_row_groups(); ++group) {
    for (int column = 0; column < reader->metadata()->num_columns(); ++column) {
      const auto pages = reader->RowGroup(group)->GetColumnPageReader(column);
      while (pages->NextPage() != nullptr) {
      }
    }
  }
}

TEST(ParquetWriter, EveryPageHasAChecksum) {
  MemorySink sink;
  const ColumnBatch batch = every_type();
  ASSERT_TRUE(written({batch}, schema_of(batch), sink).ok());
  EXPECT_NO_THROW(read_pages(sink.content));
  const auto file = opened(sink.content)->metadata();  // what it gives out lives no longer
  const auto group = file->RowGroup(0);
  for (int i = 0; i < group->num_columns(); ++i) {
    const auto column = group->ColumnChunk(i);
    std::string damaged = sink.content;
    const int64_t start = column->has_dictionary_page() ? column->dictionary_page_offset()
                                                        : column->data_page_offset();
    damaged[static_cast<size_t>(start + column->total_compressed_size() - 1)] ^= 1;
    try {
      read_pages(damaged);
      ADD_FAILURE() << "column " << i;
    } catch (const parquet::ParquetException& refused) {
      EXPECT_NE(std::string_view(refused.what()).find("CRC"), std::string_view::npos)
          << refused.what();
    }
  }
}

TEST(ParquetWriter, MetadataOfTheCallerStandsInTheFooter) {
  MemorySink sink;
  const ColumnBatch batch = every_type();
  ParquetSettings settings;
  settings.metadata = {{"millrace.topic", "t"}, {"millrace.offsets", "0-9"}};
  ASSERT_TRUE(written({batch}, schema_of(batch), sink, settings).ok());
  const auto metadata = opened(sink.content)->metadata()->key_value_metadata();
  ASSERT_NE(metadata, nullptr);
  EXPECT_EQ(metadata->Get("millrace.topic").ValueOrDie(), "t");
  EXPECT_EQ(metadata->Get("millrace.offsets").ValueOrDie(), "0-9");
}

TEST(ParquetWriter, NoRowsIsAFileOfTheSchema) {
  MemorySink sink;
  const auto file = written({}, schema_of(every_type()), sink);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->rows, 0U);
  const auto table = table_in(sink.content);
  EXPECT_EQ(table->num_rows(), 0);
  EXPECT_EQ(table->num_columns(), 8);
  EXPECT_EQ(table->schema()->field(1)->type()->ToString(), "string");
}

TEST(ParquetWriter, ManyBatchesShareRowGroupsAndOneDictionary) {
  constexpr int64_t kBatches = 50;
  constexpr int64_t kRows = 77;
  std::vector<std::string> names;
  names.reserve(13);
  for (int i = 0; i < 13; ++i) {
    names.push_back(fmt::format("host{}", i));
  }
  std::vector<ColumnBatch> batches;
  for (int64_t b = 0; b < kBatches; ++b) {
    std::vector<int64_t> at;
    std::vector<Value> hosts;
    std::vector<Value> values;
    for (int64_t row = 0; row < kRows; ++row) {
      const int64_t n = (b * kRows) + row;
      at.push_back(n);
      hosts.push_back(n % 10 == 3 ? Value() : Value::of_string(names[static_cast<size_t>(n % 13)]));
      values.push_back(Value::of_f64(static_cast<double>(n) / 8));
    }
    batches.push_back(
        {.columns = {times(at), column_of("host", hosts, true), column_of("value", values)},
         .rows = kRows});
  }
  MemorySink sink;
  const auto file = written(batches, schema_of(batches[0]), sink, {.row_group_rows = 1000});
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->row_groups, 4U);
  EXPECT_EQ(opened(sink.content)->metadata()->RowGroup(0)->num_rows(), 1000);
  const auto table = table_in(sink.content);
  ASSERT_EQ(table->num_rows(), kBatches * kRows);
  const auto& at = static_cast<const arrow::TimestampArray&>(*table->column(0)->chunk(0));
  const auto& hosts = static_cast<const arrow::StringArray&>(*table->column(1)->chunk(0));
  const auto& values = static_cast<const arrow::DoubleArray&>(*table->column(2)->chunk(0));
  for (int64_t n = 0; n < table->num_rows(); ++n) {
    ASSERT_EQ(at.Value(n), n);
    ASSERT_EQ(hosts.IsNull(n), n % 10 == 3);
    ASSERT_EQ(hosts.GetView(n), n % 10 == 3 ? "" : names[static_cast<size_t>(n % 13)]) << n;
    ASSERT_EQ(values.Value(n), static_cast<double>(n) / 8);
  }
}

TEST(ParquetWriter, StringsThatAreAllEmptyAreWritten) {
  // Their column has no byte of strings, and Arrow refuses a buffer without an address.
  const ColumnBatch batch{
      .columns = {times({1, 2}), column_of("text", {Value::of_string(""), Value()}),
                  column_of("tag", {Value::of_string(""), Value()}, true)},
      .rows = 2};
  MemorySink sink;
  const auto file = written({batch}, schema_of(batch), sink);
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto table = table_in(sink.content);
  for (const int column : {1, 2}) {
    const auto& strings = static_cast<const arrow::StringArray&>(*table->column(column)->chunk(0));
    EXPECT_FALSE(strings.IsNull(0));
    EXPECT_EQ(strings.GetView(0), "");
    EXPECT_TRUE(strings.IsNull(1));
  }
}

TEST(ParquetWriter, SinkErrorIsTheCallersError) {
  const ColumnBatch batch = every_type();
  MemorySink whole;
  ASSERT_TRUE(written({batch}, schema_of(batch), whole).ok());
  for (size_t limit = 0; limit < whole.content.size(); limit += 97) {
    MemorySink sink;
    sink.limit = limit;
    const auto file = written({batch}, schema_of(batch), sink);
    ASSERT_FALSE(file.ok()) << limit;
    EXPECT_EQ(file.error().code, Code::kOverloaded);
    EXPECT_EQ(file.error().message, "the disk is full");
  }
}

TEST(ParquetWriter, RefusesBatchesOfAnotherForm) {
  MemorySink sink;
  ColumnBatch batch = every_type();
  const Schema schema = schema_of(batch);
  batch.columns.pop_back();
  EXPECT_EQ(written({batch}, schema, sink).error().code, Code::kInvalid);
  ColumnBatch other = every_type();
  other.columns[0].type = ColumnType::kTimeNs;
  EXPECT_EQ(written({other}, schema, sink).error().code, Code::kInvalid);
  EXPECT_EQ(written({}, Schema(), sink).error().code, Code::kInvalid);
  EXPECT_TRUE(sink.content.empty());
}

}  // namespace
}  // namespace millrace::columnar
