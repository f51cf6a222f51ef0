// What people mean: a topic taken for a table, a word for a column, now() for a time without zone.
#pragma once

#include "base/result.h"
#include "query/statement_check.h"
#include "query/topic_source.h"

#include <string_view>

namespace millrace::query {

/// There is no such table: names the topic of that name, if there is one.
Error or_topic(Error error, const TableReference& reference, const TopicSource& topics);

/// The statement cannot be parsed: says so where it names the column `offset` without quotes.
Error or_offset(Error error, std::string_view sql);

/// A time with nanoseconds meets one with a zone, mostly now(), which DuckDB casts for no other
/// type: says how to write it.
Error or_zone(Error error);

}  // namespace millrace::query
