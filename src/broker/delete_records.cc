// The start of a partition moved up by who owns its records.
#include "base/log.h"
#include "broker/broker.h"
#include "broker/start_fact.h"
#include "runtime/coroutine.h"

#include <algorithm>
#include <map>

namespace millrace::broker {
namespace {

/// Where the partition starts afterwards. Errors: as Broker::delete_records().
Result<Offset> new_start(const RecordsToDelete& records, const Topic& topic,
                         const Partition& partition) {
  if (topic.record.settings.is_table) {
    return make_error(Code::kForbidden,
                      "topic {} is the log of a table: its rows are in SQL and in table files, and "
                      "go with the table alone",
                      topic.name());
  }
  const record::PartitionRange range = partition.range();
  if (records.before == RecordsToDelete::kAll) {
    return range.end;
  }
  if (records.before < Offset{0} || records.before > range.end) {
    return make_error(Code::kInvalid,
                      "topic {} partition {}: records before offset {} cannot be deleted, it has "
                      "offsets {} to {}",
                      topic.name(), records.partition, records.before, range.start, range.end);
  }
  return std::max(records.before, range.start);
}

}  // namespace

runtime::Task<std::vector<Result<Offset>>> Broker::delete_records(
    std::vector<RecordsToDelete> records) {
  // One request after the other: of two for a partition the frame that counts, the last, must not
  // be the one of the lower offset.
  const auto turn = co_await deleting_.take();
  std::vector<Result<Offset>> answers;
  answers.reserve(records.size());
  std::map<TopicPartition, std::pair<std::shared_ptr<Partition>, Offset>> moved;
  for (const RecordsToDelete& each : records) {
    const TopicPtr topic = find(each.topic);
    const auto partition = topic ? topic->partition(each.partition) : nullptr;
    if (!partition) {
      answers.emplace_back(make_error(Code::kNotFound, "there is no topic {} with a partition {}",
                                      each.topic, each.partition));
      continue;
    }
    answers.push_back(new_start(each, *topic, *partition));
    // Also where retention is as far: what it frees, a power cut may bring back.
    if (answers.back().ok() && *answers.back() > partition->deleted_below()) {
      const auto at = moved.try_emplace(partition->id(), partition, *answers.back()).first;
      at->second.second = std::max(at->second.second, *answers.back());
    }
  }
  if (moved.empty()) {
    co_return answers;
  }
  record::CommitRequest request;
  request.makes_room = true;
  for (const auto& [id, start] : moved) {
    request.system.push_back(to_frame({id, start.second}));
  }
  const auto outcome = co_await log_.commit(std::move(request));
  for (size_t i = 0; i < records.size(); ++i) {
    if (!outcome.ok() && answers[i].ok()) {
      answers[i] = outcome.error();
    }
  }
  if (!outcome.ok()) {
    co_return answers;
  }
  for (const auto& [id, start] : moved) {
    start.first->delete_below(start.second);
  }
  log_.ask_for_round();  // journal files may be free now
  co_return answers;
}

Offset Broker::deleted_below(TopicPartition partition) const {
  const TopicPtr topic = find(partition.topic);
  const auto found = topic ? topic->partition(partition.partition) : nullptr;
  return found ? found->deleted_below() : Offset{0};
}

/// Those that recovery found. One of a topic that is deleted, or not there, has no meaning any
/// more.
Status Broker::take_starts() {
  for (const auto& frame : log_.recovered(record::SystemKind::kStart)) {
    MILLRACE_TRY(const StartFact fact, start_fact_from(frame));
    const TopicPtr topic = find(fact.partition.topic);
    if (const auto partition = topic ? topic->partition(fact.partition.partition) : nullptr) {
      partition->delete_below(fact.start);
    }
  }
  return {};
}

}  // namespace millrace::broker
