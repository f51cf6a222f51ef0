#include "ingest/ingestor.h"

#include "base/log.h"
#include "bytes/hash.h"
#include "columnar/decode_msgpack.h"
#include "runtime/coroutine.h"

#include <algorithm>

namespace millrace::ingest {
namespace {

using tables::SchemaPtr;
using tables::TablePtr;

constexpr int kMostAttempts = 3;  // of line protocol against a schema that changes meanwhile

record::BatchId hash_of(const std::string& database, const std::string& id) {
  std::string text = database;
  text += '\0';
  text += id;
  return {bytes::hash128(bytes::as_bytes(text))};
}

Status check(const WriteOptions& options) {
  if (options.batch_id &&
      (options.batch_id->empty() || options.batch_id->size() > kMostBatchIdBytes)) {
    return make_error(Code::kInvalid, "x-millrace-batch-id of {} bytes: must be 1 to {}",
                      options.batch_id->size(), kMostBatchIdBytes);
  }
  return {};
}

std::string joined(const std::vector<std::string_view>& lines) {
  size_t size = 0;
  for (const std::string_view line : lines) {
    size += line.size() + 1;
  }
  std::string text;
  text.reserve(size);
  for (const std::string_view line : lines) {
    text.append(line).append("\n");
  }
  return text;
}

}  // namespace

Ingestor::Ingestor(broker::Broker& broker, tables::Tables& tables, runtime::BlockingPool& pool,
                   const Clock& clock)
    : broker_(broker), tables_(tables), pool_(pool), clock_(clock) {}

columnar::ArrivalTime Ingestor::now() const {
  return std::chrono::floor<std::chrono::microseconds>(clock_.wall());
}

Result<columnar::SchemaChange> Ingestor::admitted(const Part& part,
                                                  const columnar::Schema& schema) {
  auto change = columnar::admit(schema, part.batch);
  return change.ok() ? std::move(change)
                     : std::move(change).error().within("table " + part.name.to_string());
}

runtime::Task<Status> Ingestor::open_table(Part& part, runtime::Deadline deadline) {
  part.table = tables_.find(part.name);
  if (!part.table || part.table->schema()->version == 0) {
    MILLRACE_CO_TRY_STATUS(tables::validate(part.name));
    // What no table would take is refused before a topic is made for it.
    MILLRACE_CO_TRY_STATUS(admitted(part, columnar::Schema()));
    MILLRACE_CO_TRY_STATUS(co_await find_or_make(part));
  }
  const TablePtr& table = part.table;
  if (!table->is_replayed() && !co_await table->until_replayed(deadline)) {
    if (auto damage = table->damage()) {
      co_return *std::move(damage);
    }
    co_return make_error(Code::kTimeout, "table {} is still being rebuilt from the log",
                         table->name().to_string());
  }
  co_return Status();
}

runtime::Task<Status> Ingestor::find_or_make(Part& part) {
  const auto turn = co_await creation_.take();
  const std::string topic_name = tables::topic_name_of(part.name);
  broker::TopicPtr topic = broker_.find(topic_name);
  if (!topic) {
    MILLRACE_CO_TRY(topic, co_await broker_.create({.name = topic_name, .is_table = true}));
  }
  if (!topic->record.settings.is_table) {
    co_return make_error(Code::kConflict,
                         "{} is a Kafka topic, so there can be no table of that name", topic_name);
  }
  part.table = tables_.add(part.name, topic->record.id);
  if (part.table->schema()->version == 0) {
    part.is_first = true;
    ++first_writes_[topic->record.id];
  }
  co_return Status();
}

/// `may_be_written`: nobody knows, so the topic stays.
runtime::Task<void> Ingestor::end_first_use(const Part& part, bool may_be_written) {
  const auto turn = co_await creation_.take();
  const TopicId topic = part.table->partition().topic;
  const auto found = first_writes_.find(topic);
  if (may_be_written || --found->second > 0) {
    co_return;
  }
  first_writes_.erase(found);
  if (part.table->schema()->version > 0 || !broker_.find(topic)) {
    co_return;
  }
  if (auto removed = co_await broker_.remove(tables::topic_name_of(part.name)); !removed.ok()) {
    log::warning("ingest", "topic of {}, which nothing was written to, stays: {}",
                 part.name.to_string(), removed.error().message);
  }
}

runtime::Task<Result<WriteOutcome>> Ingestor::write_msgpack(std::span<const std::byte> body,
                                                            WriteOptions options) {
  co_return counted(co_await try_msgpack(body, std::move(options)), body.size());
}

runtime::Task<Result<WriteOutcome>> Ingestor::write_lines(std::string_view body,
                                                          WriteOptions options) {
  MILLRACE_CO_TRY_STATUS(check(options));
  const columnar::ArrivalTime arrival = now();
  for (int attempt = 1;; ++attempt) {
    auto outcome = co_await try_lines(body, options, arrival);
    // A line that clashes is reported by the decoder, so this was a schema that changed meanwhile.
    const bool has_changed = !outcome.ok() && outcome.error().code == Code::kInvalid;
    if (!has_changed || attempt == kMostAttempts) {
      co_return counted(std::move(outcome), body.size());
    }
  }
}

Result<WriteOutcome> Ingestor::counted(Result<WriteOutcome> outcome, size_t bytes) {
  if (!outcome.ok()) {
    ++counters_.refused;
    return outcome;
  }
  ++counters_.requests;
  counters_.bad_lines += outcome->error_count;
  if (outcome->is_duplicate) {
    ++counters_.duplicates;
  } else {
    counters_.rows += outcome->rows;
    counters_.bytes += bytes;
  }
  return outcome;
}

runtime::Task<Result<WriteOutcome>> Ingestor::try_msgpack(std::span<const std::byte> body,
                                                          WriteOptions options) {
  MILLRACE_CO_TRY_STATUS(check(options));
  const columnar::ArrivalTime arrival = now();
  MILLRACE_CO_TRY(auto decoded, columnar::decode_msgpack(body, {arrival, options.precision}));
  std::vector<Part> parts(decoded.batches.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    columnar::MeasurementBatch& each = decoded.batches[i];
    parts[i].name = {options.database, std::move(each.measurement)};
    parts[i].batch = std::move(each.batch);
    parts[i].own_payload = std::move(decoded.payloads[i]);
    const std::string& own = parts[i].own_payload;
    parts[i].entry = {.kind = tables::PayloadKind::kMsgpack,
                      .precision = options.precision,
                      .arrival = arrival,
                      .payload = own.empty() ? body : bytes::as_bytes(own)};
  }
  if (parts.empty()) {
    co_return WriteOutcome();
  }
  co_return co_await commit(std::move(parts), std::move(options));
}

runtime::Task<Result<WriteOutcome>> Ingestor::try_lines(std::string_view body, WriteOptions options,
                                                        columnar::ArrivalTime arrival) {
  std::vector<SchemaPtr> held;
  const columnar::SchemaLookup schema_of = [&](std::string_view measurement) {
    const TablePtr table = tables_.find({options.database, std::string(measurement)});
    held.push_back(table ? table->schema() : nullptr);
    return held.back() ? &held.back()->schema : nullptr;
  };
  const auto precision = options.precision.value_or(columnar::Precision::kNs);
  MILLRACE_CO_TRY(auto lines, columnar::decode_line_protocol(body, precision, arrival, schema_of));
  std::vector<Part> parts(lines.batches.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    columnar::MeasurementBatch& each = lines.batches[i];
    parts[i].name = {options.database, std::move(each.measurement)};
    parts[i].batch = std::move(each.batch);
    std::string_view payload = body;
    if (parts.size() > 1 || lines.error_count > 0) {
      parts[i].own_payload = joined(lines.lines[i]);
      payload = parts[i].own_payload;
    }
    parts[i].entry = {.kind = tables::PayloadKind::kLineProtocol,
                      .precision = precision,
                      .arrival = arrival,
                      .payload = bytes::as_bytes(payload)};
  }
  WriteOutcome outcome;
  if (!parts.empty()) {
    MILLRACE_CO_TRY(outcome, co_await commit(std::move(parts), std::move(options)));
  }
  outcome.errors = std::move(lines.errors);
  outcome.error_count = lines.error_count;
  co_return outcome;
}

/// The batch id of a duplicate was given to rows of one of its tables: else nothing of this request
/// was ever stored, and it must not be told that it was.
Status Ingestor::check_first_use(const std::vector<Part>& parts,
                                 const std::optional<TopicPartition>& first,
                                 const WriteOptions& options) const {
  const bool is_same = std::ranges::any_of(
      parts, [&](const Part& part) { return first && part.table->partition() == *first; });
  if (is_same) {
    return {};
  }
  const broker::TopicPtr topic = first ? broker_.find(first->topic) : nullptr;
  return make_error(
      Code::kConflict,
      "x-millrace-batch-id \"{}\" was used for a write to {}: nothing was written; an "
      "id names one write of a database",
      options.batch_id.value_or(""), topic ? topic->name() : "a table that was deleted");
}

runtime::Task<Result<WriteOutcome>> Ingestor::commit(std::vector<Part> parts,
                                                     WriteOptions options) {
  auto outcome = co_await try_commit(parts, options);
  const bool may_be_written = !outcome.ok() && outcome.error().code == Code::kOutcomeUnknown;
  for (const Part& part : parts) {
    if (part.is_first) {
      co_await end_first_use(part, may_be_written);
    }
  }
  co_return outcome;
}

runtime::Task<Result<WriteOutcome>> Ingestor::try_commit(std::vector<Part>& parts,
                                                         const WriteOptions& options) {
  WriteOutcome outcome;
  bool is_change = false;
  for (Part& part : parts) {
    outcome.rows += part.batch.rows;
    MILLRACE_CO_TRY(part.reserved, tables_.reserve(part.batch.size_bytes()));
  }
  for (Part& part : parts) {
    MILLRACE_CO_TRY_STATUS(co_await open_table(part, options.deadline));
    part.schema = part.table->schema();
    MILLRACE_CO_TRY(const auto change, admitted(part, part.schema->schema));
    is_change = is_change || change.schema.has_value();
  }
  Result<record::CommitOutcome> committed = record::CommitOutcome();
  if (is_change) {
    committed = co_await append_with_change(parts, options);
  } else {
    committed = co_await append(parts, {}, options);
  }
  if (!committed.ok()) {
    co_return std::move(committed).error();
  }
  outcome.is_duplicate = committed->is_duplicate;
  if (committed->is_duplicate) {
    MILLRACE_CO_TRY_STATUS(check_first_use(parts, committed->first_went_to, options));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    Part& part = parts[i];
    if (outcome.is_duplicate) {  // the first one may still be on its way into memory
      co_await part.table->until_applied(broker_.log().range(part.table->partition()).end);
      continue;
    }
    const Offset offset = committed->base_offsets[i];
    part.table->apply(offset, std::move(part.batch), std::move(part.reserved));
    tables_.applied(part.table);
    co_await part.table->until_applied(offset + 1);
  }
  co_return outcome;
}

/// One change of columns at a time in each table, from the check to the durable frame.
runtime::Task<Result<record::CommitOutcome>> Ingestor::append_with_change(
    std::vector<Part>& parts, const WriteOptions& options) {
  std::vector<Part*> in_order;  // of topics: two requests never wait for one another
  in_order.reserve(parts.size());
  for (Part& part : parts) {
    in_order.push_back(&part);
  }
  std::ranges::sort(in_order, {}, [](const Part* part) { return part->table->partition().topic; });
  std::vector<runtime::Turn::Holder> turns;
  turns.reserve(in_order.size());
  for (const Part* part : in_order) {
    turns.push_back(co_await part->table->schema_turn().take());
  }
  std::vector<record::SystemFrame> frames;
  std::vector<std::pair<TablePtr, SchemaPtr>> changed;
  for (Part& part : parts) {
    part.schema = part.table->schema();
    MILLRACE_CO_TRY(auto change, admitted(part, part.schema->schema));
    if (change.schema) {
      part.schema = std::make_shared<tables::SchemaVersion>(
          tables::SchemaVersion{part.schema->version + 1, *std::move(change.schema)});
      changed.emplace_back(part.table, part.schema);
      frames.push_back(
          tables::to_frame({part.table->partition().topic, part.table->name(), part.schema}));
    }
  }
  auto committed = co_await append(parts, std::move(frames), options);
  if (committed.ok() && !committed->is_duplicate) {
    for (auto& [table, schema] : changed) {
      table->adopt(std::move(schema));
    }
  }
  co_return committed;
}

runtime::Task<Result<record::CommitOutcome>> Ingestor::append(
    std::vector<Part>& parts, std::vector<record::SystemFrame> frames,
    const WriteOptions& options) {
  std::vector<broker::PartitionAppend> batches;
  batches.reserve(parts.size());
  for (Part& part : parts) {
    const TopicPartition id = part.table->partition();
    const broker::TopicPtr topic = broker_.find(id.topic);
    if (!topic) {
      co_return make_error(Code::kNotFound, "table {} was deleted meanwhile",
                           part.table->name().to_string());
    }
    part.entry.schema_version = part.schema->version;
    MILLRACE_CO_TRY(auto entry, tables::encode_entry(part.entry));
    const int64_t arrival_us = part.entry.arrival.time_since_epoch().count();
    batches.push_back({.partition = topic->partition(id.partition),
                       .payload = std::move(entry.batch),
                       .payload_crc = entry.crc,
                       .records = 1,
                       .max_timestamp_ms = arrival_us / 1000});
  }
  broker::AppendExtras extras{.system = std::move(frames)};
  if (options.batch_id) {
    extras.batch_id = hash_of(options.database, *options.batch_id);
  }
  co_return co_await broker::Partition::append(broker_.log(), std::move(batches),
                                               std::move(extras));
}

std::vector<record::SystemFrame> Ingestor::frames_of_removal(const TopicId& topic) {
  return tables_.frames_of_removal(topic);
}

bool Ingestor::holds(const TopicId& topic) const {
  return tables_.holds(topic);
}

bool Ingestor::needs(const TopicId& topic, Offset end) const {
  return tables_.has_unflushed(topic, end);
}

void Ingestor::let_go(const std::vector<TopicId>& topics) {
  tables_.flush_for_journal(topics);
}

runtime::Task<void> Ingestor::removed(TopicId topic) {
  const auto drop = [this, topic]() -> Status {
    tables_.drop(topic);
    return {};
  };
  if (const auto dropped = co_await pool_.run(drop); !dropped.ok()) {
    log::warning("tables", "a deleted table stays until the next start: {}",
                 dropped.error().message);
  }
}

}  // namespace millrace::ingest
