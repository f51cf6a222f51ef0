#include "columnar/parquet_footer.h"

#include "bytes/crc32c.h"
#include "columnar/column_builder.h"
#include "columnar/parquet_writer.h"

#include <gtest/gtest.h>

namespace millrace::columnar {
namespace {

class TextSink final : public Sink {
 public:
  Status write(std::span<const std::byte> bytes) override {
    content += bytes::as_text(bytes);
    return {};
  }

  std::string content;
};

/// A file of one column, of as many rows.
std::string file_of(size_t rows, const std::string& text = "x") {
  ColumnBuilder times;
  ColumnBuilder texts;
  for (size_t i = 0; i < rows; ++i) {
    times.append(Value::of_i64(static_cast<int64_t>(i)));
    texts.append(Value::of_string(text));
  }
  ColumnBatch batch{.rows = rows, .time_column = 0};
  batch.columns.push_back(std::move(times).finish("time", false));
  batch.columns.back().type = ColumnType::kTimeUs;
  batch.columns.push_back(std::move(texts).finish("text", false));
  const ColumnBatch* batches[] = {&batch};
  TextSink sink;
  EXPECT_TRUE(write_parquet(batches, admit(Schema(), batch)->schema.value(),
                            {.metadata = {{"who", "me"}}}, sink)
                  .ok());
  return sink.content;
}

Result<std::string> footer_of(const std::string& file) {
  const auto bytes = bytes::as_bytes(file);
  MILLRACE_TRY(const uint64_t size,
               footer_bytes_of(bytes.last(std::min(file.size(), kParquetTailBytes)), file.size()));
  return file.substr(file.size() - size);
}

TEST(ParquetFooter, TellsRowsAndPairs) {
  const auto footer = footer_of(file_of(7));
  ASSERT_TRUE(footer.ok());
  const auto parsed = parse_footer(bytes::as_bytes(*footer));
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->rows, 7U);
  EXPECT_EQ(parsed->metadata.at("who"), "me");
  EXPECT_EQ(parsed->metadata.at(std::string(kChecksumKey)).size(), kNoChecksum.size());
}

TEST(ParquetFooter, ItsChecksumIsOfAllBytesOfTheFile) {
  // Statistics that look like the pair itself stand before it.
  for (const std::string& text : {std::string("x"),
                                  "millrace.crc32c\x18\x08"
                                  "00000000" +
                                      std::string(50, 'y')}) {
    std::string file = file_of(5, text);
    const size_t at =
        file.size() - footer_of(file)->size() + find_checksum(*footer_of(file)).value();
    const std::string written = file.substr(at, kNoChecksum.size());
    file.replace(at, written.size(), kNoChecksum);
    EXPECT_EQ(written, fmt::format("{:08x}", bytes::crc32c(bytes::as_bytes(file))));
  }
}

TEST(ParquetFooter, WhatIsNoParquetFileIsRefused) {
  const std::string good = file_of(3);
  EXPECT_EQ(footer_of("").error().code, Code::kCorrupt);
  EXPECT_EQ(footer_of("PAR1").error().code, Code::kCorrupt);
  EXPECT_EQ(footer_of(good.substr(0, good.size() - 1)).error().code, Code::kCorrupt);
  EXPECT_EQ(footer_of("\xff\xff\xff\xffPAR1").error().code, Code::kCorrupt);
  EXPECT_EQ(footer_of(good.substr(good.size() - 50)).error().code, Code::kCorrupt);
  std::string footer = footer_of(good).value();
  footer[0] = '\xff';
  EXPECT_EQ(parse_footer(bytes::as_bytes(footer)).error().code, Code::kCorrupt);
  EXPECT_EQ(find_checksum("millrace.crc32c\x18\x08"
                          "0000"),
            std::nullopt);
}

}  // namespace
}  // namespace millrace::columnar
