// Tables for tests: real hot chunks and real Parquet files, and a source that gives them out.
#pragma once

#include "base/check.h"
#include "columnar/column_builder.h"
#include "columnar/parquet_writer.h"
#include "query/topic_source.h"
#include "tables/snapshot.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::query {

/// Removed with all that is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "millrace-query-XXXXXX";
    MILLRACE_CHECK(mkdtemp(pattern.data()) != nullptr, "mkdtemp");
    path_ = pattern;
  }

  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class FileSink final : public columnar::Sink {
 public:
  explicit FileSink(const std::string& path) : file_(path, std::ios::binary) {}

  Status write(std::span<const std::byte> bytes) override {
    file_.write(reinterpret_cast<const char*>(bytes.data()),
                static_cast<std::streamsize>(bytes.size()));
    return file_.good() ? Status() : make_error(Code::kIo, "write");
  }

 private:
  std::ofstream file_;
};

/// A column's values, nullopt for null; every column of a batch has as many.
struct TestColumn {
  std::string name;
  std::vector<std::optional<columnar::Value>> values;
  columnar::ColumnType type = columnar::ColumnType::kNull;  // kNull: as the values make it
};

/// The first column must be the time, without nulls.
inline columnar::ColumnBatch make_batch(const std::vector<TestColumn>& columns) {
  columnar::ColumnBatch batch{.rows = columns.front().values.size(), .time_column = 0};
  for (const TestColumn& column : columns) {
    columnar::ColumnBuilder builder;
    for (const auto& value : column.values) {
      if (value) {
        MILLRACE_CHECK(builder.append(*value), "a value that does not fit its column");
      } else {
        builder.append_nulls(1);
      }
    }
    batch.columns.push_back(std::move(builder).finish(column.name, false));
    if (column.type != columnar::ColumnType::kNull) {
      batch.columns.back().type = column.type;
    }
  }
  return batch;
}

/// One table: rows go into memory with add(), into a file with flush().
class TestTable {
 public:
  TestTable(tables::TableName name, const std::string& directory, uint8_t id)
      : name_(std::move(name)), directory_(directory) {
    topic_.bytes[15] = id;
    schema_ = std::make_shared<const tables::SchemaVersion>();
  }

  /// Rows in memory, in a chunk of their own.
  void add(const columnar::ColumnBatch& batch) {
    const auto converted = admit(batch);
    auto chunk =
        std::make_shared<tables::HotChunk>(schema_, converted.rows + 16, converted, Offset{next_});
    MILLRACE_CHECK(chunk->append(converted, Offset{next_++}), "append");
    chunks_.push_back(std::move(chunk));
  }

  /// More rows into the last chunk, which has room for 16.
  void append_to_last(const columnar::ColumnBatch& batch) {
    MILLRACE_CHECK(chunks_.back()->append(admit(batch), Offset{next_++}), "append");
  }

  /// Rows in a file, of the schema as it is then.
  void flush(const columnar::ColumnBatch& batch) {
    const auto converted = admit(batch);
    files_.push_back(write(&converted, fmt::format("{}-{}", topic_.to_string(), next_++)));
  }

  tables::Snapshot snapshot() const {
    tables::Snapshot snapshot{name_, topic_, schema_, empty_file_, files_, {}};
    snapshot.hot.reserve(chunks_.size());
    for (const auto& chunk : chunks_) {
      snapshot.hot.push_back({chunk, chunk->rows()});
    }
    return snapshot;
  }

  tables::TableInfo info() const { return {name_, topic_, schema_}; }

  const std::vector<std::string>& files() const { return files_; }

 private:
  columnar::ColumnBatch admit(const columnar::ColumnBatch& batch) {
    const columnar::SchemaChange change = columnar::admit(schema_->schema, batch).value();
    if (change.schema) {
      schema_ = std::make_shared<const tables::SchemaVersion>(
          tables::SchemaVersion{schema_->version + 1, *change.schema});
      empty_file_ =
          write(nullptr, fmt::format("{}-empty-{}", topic_.to_string(), schema_->version));
    }
    return columnar::convert(batch, schema_->schema).value();
  }

  std::string write(const columnar::ColumnBatch* batch, const std::string& stem) const {
    const std::string path = fmt::format("{}/{}.parquet", directory_, stem);
    FileSink sink(path);
    std::vector<const columnar::ColumnBatch*> batches;
    if (batch != nullptr) {
      batches.push_back(batch);
    }
    const auto written = columnar::write_parquet(batches, schema_->schema, {}, sink);
    MILLRACE_CHECK(written.ok(), written.ok() ? "" : written.error().message.c_str());
    return path;
  }

  tables::TableName name_;
  std::string directory_;
  TopicId topic_;
  tables::SchemaPtr schema_;
  std::string empty_file_;
  std::vector<std::string> files_;
  std::vector<std::shared_ptr<tables::HotChunk>> chunks_;
  int64_t next_ = 0;
};

/// Tables by name. Not changed while queries run, but for before_snapshot.
class TestTables final : public tables::SnapshotSource {
 public:
  explicit TestTables(std::string directory) : directory_(std::move(directory)) {}

  TestTable& make(const std::string& database, const std::string& measurement) {
    const tables::TableName name{database, measurement};
    tables_.erase(name);
    return tables_.try_emplace(name, name, directory_, ++last_id_).first->second;
  }

  void drop(const std::string& database, const std::string& measurement) {
    tables_.erase({database, measurement});
  }

  std::vector<tables::TableInfo> list() const override {
    std::vector<tables::TableInfo> infos;
    infos.reserve(tables_.size());
    for (const auto& [name, table] : tables_) {
      infos.push_back(table.info());
    }
    return infos;
  }

  Result<tables::Snapshot> snapshot(const tables::TableName& name,
                                    runtime::Deadline /*deadline*/) override {
    const auto found = tables_.find(name);
    if (found == tables_.end() || found->second.info().schema->version == 0) {
      return make_error(Code::kNotFound, "no table {}", name.to_string());
    }
    auto taken = found->second.snapshot();
    taken.folder = folder;
    if (after_snapshot) {
      after_snapshot();
    }
    return taken;
  }

  Status recheck(const TopicId& /*topic*/, runtime::Deadline /*deadline*/) override {
    ++rechecks;
    return damage ? Status(*damage) : Status();
  }

  std::function<void()> after_snapshot;
  std::shared_ptr<const void> folder;  // of every snapshot
  std::optional<Error> damage;         // what recheck() finds
  int rechecks = 0;

 private:
  std::string directory_;
  std::map<tables::TableName, TestTable> tables_;
  uint8_t last_id_ = 0;
};

class NoTopics final : public TopicSource {
 public:
  Result<TopicExtent> find(const std::string& name) const override {
    return make_error(Code::kNotFound, "no topic '{}': there are none", name);
  }

  Result<std::vector<record::StoredBatch>> read(TopicPartition /*partition*/, Offset /*from*/,
                                                size_t /*max_bytes*/) const override {
    return std::vector<record::StoredBatch>();
  }
};

}  // namespace millrace::query
