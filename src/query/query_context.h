// What one query reads: its tables' snapshots and its topics' extents. Table functions find it by
// the connection they are bound on.
#pragma once

#include "base/mutex.h"
#include "query/topic_source.h"
#include "tables/snapshot.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace millrace::query {

/// A table as its view shows it. Immutable.
struct TableView {
  tables::TableName name;
  TopicId topic;
  tables::SchemaPtr schema;
  std::vector<std::string> column_names;  // the schema's, told apart where only case differs
  std::string empty_file;
};

struct TableInQuery {
  std::shared_ptr<const TableView> view;
  std::vector<std::string> files;
  std::vector<tables::HotRows> hot;         // of the view's schema or older ones
  std::shared_ptr<const void> folder = {};  // keeps the files
};

/// Tables are put in before the statement is bound and stay as they are; the rest is thread-safe.
class QueryContext {
 public:
  explicit QueryContext(const TopicSource& topics) : topics_(topics) {}

  /// By TopicId::to_string().
  std::map<std::string, TableInQuery> tables;

  const TopicSource& topics() const { return topics_; }

  /// The same answer however often the statement names the topic. Errors: TopicSource::find's.
  Result<TopicExtent> topic(const std::string& name);

  /// What a table function failed with; the first one counts. DuckDB keeps the message only.
  void fail(Error error);
  std::optional<Error> error() const;

 private:
  const TopicSource& topics_;
  mutable Mutex mutex_;
  std::map<std::string, TopicExtent> extents_ MILLRACE_GUARDED_BY(mutex_);
  std::optional<Error> error_ MILLRACE_GUARDED_BY(mutex_);
};

/// The contexts of the queries that run, by DuckDB's connection id. Thread-safe.
class QueryContexts {
 public:
  void add(uint64_t connection, std::shared_ptr<QueryContext> context);
  void remove(uint64_t connection);
  std::shared_ptr<QueryContext> find(uint64_t connection) const;

 private:
  mutable Mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<QueryContext>> contexts_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::query
