#include "journal_model.h"

#include "bytes/crc32c.h"
#include "journal/reader.h"
#include "journal_model_batches.h"
#include "record/record_batch_builder.h"

#include <algorithm>
#include <cstring>

namespace millrace::journal {
namespace {

constexpr const char* kDirectory = "/data/journal";

}  // namespace

JournalModel::JournalModel(uint64_t seed, Lie lie)
    : lie_(std::move(lie)), random_(seed), disk_(seed ^ 0x9E3779B97F4A7C15u) {
  options_.file_bytes = below(2) == 0 ? uint64_t{1} << 20 : uint64_t{192} << 10;
  options_.first_file_bytes = below(2) == 0 ? uint64_t{1} << 20 : uint64_t{128} << 10;
  options_.run_bytes = uint64_t{64} << 10;
  static_cast<void>(disk_.make_directories("/data"));  // a server has it first, at each start
  if (below(3) == 0) {
    options_.max_bytes = 5 * options_.file_bytes;
  }
}

void JournalModel::violation(const std::string& what) {
  if (!violation_) {
    violation_ = what;
  }
}

std::optional<std::string> JournalModel::run() {
  ++counters_.schedules;
  const uint64_t lives = 2 + below(4);
  for (uint64_t life = 0; life < lives && !violation_; ++life) {
    if (start()) {
      verify();
      live();
    }
    end_life();
  }
  if (!violation_ && start()) {  // a last look with a disk that works
    verify();
  }
  writer_.reset();
  return violation_;
}

/// false: the power went during recovery.
bool JournalModel::start() {
  files_ = std::make_unique<Files>(disk_, kDirectory);
  index_ = std::make_unique<Index>();
  io::DiskFaults faults;
  faults.lies_about = lie_;
  if (below(4) == 0) {
    faults.off_at = disk_.operations() + 1 + below(12);
  }
  disk_.set_faults(faults);
  RecoveryOptions options;
  options.quarantine = "/data/quarantine";
  options.writer = options_;
  options.writer.method = static_cast<io::AppendMethod>(below(2));  // each reads what others wrote
  auto opened = open_writer(*files_, *index_, options, clock_);
  if (!opened.ok()) {
    if (disk_.is_off()) {
      ++counters_.crashes_in_recovery;
    } else {
      violation("the start is refused: " + opened.error().message);
    }
    return false;
  }
  writer_ = std::move(opened->writer);
  counters_.runs_rewritten += opened->report.runs_rewritten;
  counters_.torn_tails += opened->report.torn ? 1 : 0;
  return true;
}

void JournalModel::end_life() {
  if (writer_) {
    const auto& done = writer_->counters();
    counters_.rotations += done.rotations;
    counters_.files_freed += done.files_freed;
    counters_.recyclings += files_->recycled();
    counters_.poisoned += writer_->is_poisoned() && !disk_.is_off() ? 1 : 0;
  }
  if (writer_ && !disk_.is_off() && below(4) == 0 && writer_->finish().ok()) {
    ++counters_.clean_stops;
  }
  if (writer_) {
    synced_upto_ = writer_->last_synced();
  }
  writer_.reset();
  index_.reset();
  files_.reset();
  if (below(3) == 0) {
    ++counters_.kills;
    disk_.kill();
  } else {
    ++counters_.power_cuts;
    disk_.power_cut();
    power_went_ = true;
  }
  clock_.advance(std::chrono::seconds(1));
}

void JournalModel::arm_faults() {
  io::DiskFaults faults;
  faults.lies_about = lie_;
  const uint64_t choice = below(8);
  if (choice < 4) {
    faults.off_at = disk_.operations() + 1 + below(80);
  } else if (choice == 4) {
    faults.fail_at = disk_.operations() + 1 + below(40);
  } else if (choice == 5) {
    faults.capacity_bytes = 1;  // nothing grows any more; reserved space still takes writes
    ++counters_.full_disks;
  }
  disk_.set_faults(faults);
}

void JournalModel::live() {
  arm_faults();
  const uint64_t steps = 5 + below(60);
  for (uint64_t i = 0; i < steps && !violation_ && !disk_.is_off(); ++i) {
    step();
  }
}

void JournalModel::step() {
  const uint64_t choice = below(16);
  if (choice < 11) {
    commit_some();
  } else if (choice == 11) {
    static_cast<void>(writer_->prove());
  } else if (choice == 12) {
    retry_known_id();
  } else if (choice == 13) {
    clock_.advance(std::chrono::milliseconds(60));
    static_cast<void>(below(2) == 0 ? writer_->sync() : Status());
  } else {
    maintain();
  }
}

JournalModel::Attempt JournalModel::make_attempt(uint64_t first_partition) {
  Attempt attempt;
  attempt.id = next_id_++;
  const uint64_t batches =
      first_partition == 0 && below(8) == 0 ? 0 : 1 + below(below(4) == 0 ? 4 : 1);
  for (uint64_t i = 0; i < batches; ++i) {
    attempt.batches.emplace_back(
        partition_of(first_partition + below(kPartitions - first_partition)),
        1 + static_cast<uint32_t>(below(20)));
  }
  const bool may_be_unsynced = std::ranges::all_of(
      attempt.batches, [](const auto& batch) { return is_interval(batch.first); });
  if (batches != 0 && may_be_unsynced) {
    attempt.durability = record::Durability::kInterval;
  } else if (batches == 0 || below(6) == 0) {
    attempt.system_key = "key" + std::to_string(below(4));
    attempt.makes_room = batches == 0 && below(2) == 0;
  }
  if (batches == 1 && below(3) == 0) {
    attempt.batch_id = record::BatchId{};
    std::memcpy(attempt.batch_id->hash.data(), &attempt.id, 8);
  }
  return attempt;
}

Pending JournalModel::make_pending(const Attempt& attempt) const {
  Pending pending;
  for (size_t i = 0; i < attempt.batches.size(); ++i) {
    const bytes::Buffer payload = payload_of(attempt.id, i);
    pending.request.batches.push_back({attempt.batches[i].first, payload, bytes::crc32c(payload),
                                       attempt.batches[i].second,
                                       static_cast<int64_t>(attempt.id)});
  }
  if (attempt.system_key) {
    pending.request.system.push_back(
        {record::SystemKind::kTopic, false, *attempt.system_key, std::to_string(attempt.id)});
  }
  pending.request.batch_id = attempt.batch_id;
  pending.request.makes_room = attempt.makes_room;
  pending.request.durability = attempt.durability;
  return pending;
}

void JournalModel::commit_some() {
  std::vector<Attempt> attempts(1 + below(5));
  std::vector<Pending> pending;
  std::vector<Pending*> queue;
  pending.reserve(attempts.size());
  queue.reserve(attempts.size());
  const uint64_t first_partition = below(3) == 0 ? kFirstInterval : 0;
  for (Attempt& attempt : attempts) {
    attempt = make_attempt(first_partition);
    attempts_[attempt.id] = attempt;
    pending.push_back(make_pending(attempt));
  }
  for (Pending& one : pending) {
    queue.push_back(&one);
  }
  for (size_t done = 0; done < queue.size();) {
    done += writer_->write(std::span(queue).subspan(done));
  }
  for (size_t i = 0; i < attempts.size(); ++i) {
    settle(attempts[i], pending[i].result);
  }
}

void JournalModel::settle(const Attempt& attempt, const Result<record::CommitOutcome>& result) {
  if (!result.ok()) {
    const bool is_unknown = result.error().code == Code::kOutcomeUnknown;
    fates_[attempt.id] = is_unknown ? Fate::kUnknown : Fate::kRefused;
    if (is_unknown) {
      unknown_.push_back(attempt.id);
      ++counters_.commits_unknown;
    } else {
      ++counters_.commits_refused;
    }
    return;
  }
  ++counters_.commits_acked;
  counters_.made_room += attempt.makes_room && writer_->full() ? 1 : 0;
  fates_[attempt.id] = Fate::kAcked;
  RunNumber run;
  if (attempt.durability == record::Durability::kInterval) {
    run = writer_->last_written();
    counters_.acked_unsynced += run > writer_->last_synced() ? 1 : 0;
  }
  for (size_t i = 0; i < attempt.batches.size(); ++i) {
    const auto [partition, records] = attempt.batches[i];
    acked_[partition][result->base_offsets[i].value] = {attempt.id, records, run};
  }
  if (attempt.system_key) {
    system_[*attempt.system_key] = attempt.id;
  }
  if (attempt.batch_id) {
    known_ids_[*attempt.batch_id] = {attempt.id, result->base_offsets[0]};
  }
}

/// A client that got its answer sends the same again and must get the same answer.
void JournalModel::retry_known_id() {
  if (known_ids_.empty()) {
    return;
  }
  auto known = known_ids_.begin();
  std::advance(known, static_cast<int64_t>(below(known_ids_.size())));
  Pending again = make_pending(attempts_.at(known->second.first));
  Pending* queue[] = {&again};
  writer_->write(queue);
  if (!again.result.ok()) {
    return;  // poisoned or full: nothing was written
  }
  ++counters_.duplicates;
  if (!again.result->is_duplicate || again.result->base_offsets[0] != known->second.second) {
    violation(fmt::format("retry of batch id {} got offset {} instead of its first answer {}",
                          known->second.first, again.result->base_offsets[0],
                          known->second.second));
  }
}

void JournalModel::maintain() {
  for (const auto& [file, stored] : index_->encode_unstored()) {
    auto out = disk_.open(files_->index_path_of(file->number), io::OpenMode::kCreate);
    if (out.ok()) {
      static_cast<void>((*out)->write_at(0, stored.span()));
    }
  }
  const auto summaries = index_->summaries();
  // Often several files at once: a power cut may come between them.
  if (summaries.size() > 3 + below(3) && !writer_->is_poisoned()) {
    writer_->free_below(summaries[summaries.size() - 3].number);
    for (uint64_t n = 0; n < kPartitions; ++n) {
      int64_t& greatest = greatest_start_[partition_of(n)];
      greatest = std::max(greatest, index_->range(partition_of(n)).start.value);
    }
  }
  static_cast<void>(files_->prepare_spare(options_.file_bytes));
}

void JournalModel::verify() {
  std::map<uint64_t, size_t> found_batches;
  for (uint64_t n = 0; n < kPartitions && !violation_; ++n) {
    verify_partition(partition_of(n), found_batches);
  }
  if (!violation_) {
    resolve_lost();
  }
  if (!violation_) {
    resolve_unknown(found_batches);
  }
  if (!violation_) {
    verify_system();
  }
}

void JournalModel::verify_partition(TopicPartition partition,
                                    std::map<uint64_t, size_t>& found_batches) {
  const auto range = index_->range(partition);
  if (range.start.value > greatest_start_[partition]) {
    return violation(fmt::format("partition {} starts at {}, but only {} was freed",
                                 partition.partition, range.start, greatest_start_[partition]));
  }
  auto& acked = acked_[partition];
  const int64_t acked_end =
      acked.empty() ? 0 : acked.rbegin()->first + acked.rbegin()->second.records;
  if (range.end.value < acked_end) {
    return violation(fmt::format("partition {} ends at {}, acknowledged up to {}",
                                 partition.partition, range.end, acked_end));
  }
  Offset at = range.start;
  std::set<int64_t> found;
  while (at < range.end) {
    const auto batches = Reader(*index_).read(partition, at, 64 << 10);
    if (!batches.ok() || batches->empty()) {
      return violation(fmt::format("partition {} at {}: {}", partition.partition, at,
                                   batches.ok() ? "nothing read" : batches.error().message));
    }
    for (const auto& batch : *batches) {
      if (batch.max_timestamp_ms < 0) {
        if (!verify_filler(partition, batch)) {
          return;
        }
      } else if (!verify_batch(partition, at, batch, found_batches)) {
        return;
      }
      found.insert(at.value);
      at = batch.base_offset + batch.records;
    }
  }
  for (auto one = acked.lower_bound(range.start.value); one != acked.end(); ++one) {
    one->second.run = {};  // recovery has synced it
    if (!found.contains(one->first)) {
      return violation(fmt::format("partition {} at {}: commit {} is gone", partition.partition,
                                   one->first, one->second.id));
    }
  }
}

bool JournalModel::is_out_of_use(TopicPartition partition, Offset begin, Offset end) const {
  const auto fillers = out_of_use_.find(partition);
  return fillers != out_of_use_.end() &&
         std::ranges::any_of(fillers->second, [&](const auto& filler) {
           return filler.first < end.value && begin.value < filler.second;
         });
}

/// The batch that stands at `at` was sent there, and was acknowledged there or is of unknown
/// outcome.
bool JournalModel::verify_batch(TopicPartition partition, Offset at,
                                const record::StoredBatch& batch,
                                std::map<uint64_t, size_t>& found_batches) {
  const uint64_t id = batch.payload.size() >= 16 ? id_in(batch.payload) : 0;
  const size_t index = id == 0 ? 0 : batch_in(batch.payload);
  const auto attempt = attempts_.find(id);
  if (batch.base_offset != at || attempt == attempts_.end() ||
      index >= attempt->second.batches.size() ||
      attempt->second.batches[index] != std::pair(partition, batch.records) ||
      bytes::as_text(batch.payload) != bytes::as_text(payload_of(id, index)) ||
      is_out_of_use(partition, at, at + batch.records)) {
    violation(fmt::format("partition {} at {}: not a batch that was sent there",
                          partition.partition, at));
    return false;
  }
  auto& acked = acked_[partition];
  const auto known = acked.find(at.value);
  const bool is_right =
      known != acked.end() ? known->second.is(id, batch.records) : fates_[id] == Fate::kUnknown;
  if (!is_right) {
    violation(fmt::format("partition {} at {}: commit {} stands there, acknowledged was {}",
                          partition.partition, at, id,
                          known == acked.end() ? 0 : known->second.id));
    return false;
  }
  if (fates_[id] == Fate::kUnknown) {
    ++found_batches[id];
    acked[at.value] = {id, batch.records, {}};
    if (attempt->second.batch_id) {
      known_ids_[*attempt->second.batch_id] = {id, at};
    }
  }
  return true;
}

/// Only where offsets were reserved, only over what no sync had promised, and for ever.
bool JournalModel::verify_filler(TopicPartition partition, const record::StoredBatch& filler) {
  const int64_t begin = filler.base_offset.value;
  const int64_t end = begin + filler.records;
  auto& acked = acked_[partition];
  const bool is_whole = bytes::as_text(filler.payload) ==
                        bytes::as_text(record::filler_batch(static_cast<int32_t>(filler.records)));
  if (!is_interval(partition) || !is_whole) {
    violation(fmt::format("partition {} at {}: a filler that should not be", partition.partition,
                          filler.base_offset));
    return false;
  }
  counters_.gaps += out_of_use_[partition].emplace(begin, end).second ? 1 : 0;
  for (auto lost = acked.lower_bound(begin); lost != acked.end() && lost->first < end;) {
    const RunNumber run = lost->second.run;
    if (run.value == 0 || !power_went_ || run <= synced_upto_) {
      violation(fmt::format("partition {} at {}: commit {} was durable by run {} and is gone",
                            partition.partition, lost->first, lost->second.id, run));
      return false;
    }
    ++lost_batches_[lost->second.id];
    lost = acked.erase(lost);
  }
  return true;
}

/// Each commit that was lost with the power is lost as a whole, with its batch id.
void JournalModel::resolve_lost() {
  for (const auto& [id, count] : lost_batches_) {
    const Attempt& attempt = attempts_[id];
    if (count != attempt.batches.size()) {
      return violation(fmt::format("commit {}: {} of its {} batches were lost", id, count,
                                   attempt.batches.size()));
    }
    if (attempt.batch_id) {
      known_ids_.erase(*attempt.batch_id);
    }
    ++counters_.lost_unsynced;
  }
  lost_batches_.clear();
  power_went_ = false;
}

/// Each commit of unknown outcome is whole, or gone for good.
void JournalModel::resolve_unknown(const std::map<uint64_t, size_t>& found_batches) {
  for (const uint64_t id : unknown_) {
    const Attempt& attempt = attempts_[id];
    const auto found = found_batches.find(id);
    const size_t count = found == found_batches.end() ? 0 : found->second;
    bool is_there = count > 0;
    if (attempt.batches.empty()) {
      const auto value =
          writer_->state().system().find({record::SystemKind::kTopic, *attempt.system_key});
      is_there = value != writer_->state().system().end() && value->second == std::to_string(id);
    } else if (count != 0 && count != attempt.batches.size()) {
      return violation(fmt::format("commit {}: {} of its {} batches survived", id, count,
                                   attempt.batches.size()));
    }
    if (is_there && attempt.system_key) {
      system_[*attempt.system_key] = id;
    }
    counters_.unknown_found += is_there ? 1 : 0;
    fates_[id] = is_there ? Fate::kAcked : Fate::kRefused;
  }
  unknown_.clear();
}

void JournalModel::verify_system() {
  std::map<std::string, uint64_t> stored;
  for (const auto& [key, value] : writer_->state().system()) {
    stored[key.second] = std::stoull(value);
  }
  if (stored != system_) {
    violation("system frames differ from those acknowledged");
  }
}

}  // namespace millrace::journal
