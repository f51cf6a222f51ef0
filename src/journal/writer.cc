#include "journal/writer.h"

#include "base/check.h"
#include "base/log.h"
#include "bytes/crc32c.h"
#include "journal/probe.h"

#include <algorithm>

namespace millrace::journal {
namespace {

using record::Durability;

constexpr std::array<std::byte, kBlock> kZeros{};
constexpr uint64_t kLeastCommit = 2 * kBlock;

double seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

void fail(std::span<Pending* const> taken, const Error& error) {
  for (Pending* pending : taken) {
    if (pending->result.ok()) {
      pending->result = error;
    }
  }
}

}  // namespace

Writer::Writer(Files& files, Index& index, State state, Tail tail, WriterOptions options,
               const Clock& clock)
    : files_(files),
      index_(index),
      state_(std::move(state)),
      tail_(std::move(tail)),
      options_(options),
      clock_(clock),
      ids_began_ms_(
          state_.newest_batch_id_ms().value_or(clock.wall_ms().time_since_epoch().count())),
      opened_(clock.steady()) {
  if (!fits(kLeastCommit, false) && !is_within_budget(options_.file_bytes)) {
    missing_bytes_ = options_.file_bytes;
  }
}

Result<std::unique_ptr<Writer>> Writer::open(Files& files, Index& index, State state, Tail tail,
                                             WriterOptions options, const Clock& clock) {
  std::unique_ptr<Writer> writer(
      new Writer(files, index, std::move(state), std::move(tail), options, clock));
  MILLRACE_TRY_STATUS(writer->open_tail());
  return writer;
}

Status Writer::open_tail() {
  const io::AppendMethod method = options_.method.value_or(io::AppendMethod::kPageCache);
  out_.reset();  // all of it is synced; its buffers are free for the next one
  auto opened = open_tail(method);
  if (!opened.ok() && method != io::AppendMethod::kPageCache) {
    log::warning("journal", "this file is written by the page cache: {}", opened.error().message);
    opened = open_tail(io::AppendMethod::kPageCache);
  }
  return opened;
}

Status Writer::open_tail(io::AppendMethod method) {
  MILLRACE_TRY(out_,
               io::open_appender(files_.disk(), tail_.file->file->path(), io::OpenMode::kReadWrite,
                                 tail_.position, run_appender(method)));
  return {};
}

/// By which batch ids grow old: goes on from the youngest one, only while the journal is open, so
/// that a wall clock that jumps neither ends them early nor keeps them for ever.
int64_t Writer::id_time_ms() const {
  const auto open = std::chrono::floor<std::chrono::milliseconds>(clock_.steady() - opened_);
  return ids_began_ms_ + open.count();
}

void Writer::Run::add(const FrameHeader& frame, bytes::Buffer payload) {
  payload_bytes += payload.size();
  frames.push_back(frame);
  payloads.push_back(std::move(payload));
}

void Writer::Run::add(const record::SystemFrame& system) {
  bytes::Buffer payload = system.encode();
  FrameHeader header;
  header.type = FrameType::kSystem;
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  header.payload_crc = bytes::crc32c(payload);
  add(header, std::move(payload));
}

uint64_t Writer::footprint(const record::SystemFrame& frame) {
  return kFrameHeaderBytes + 8 + frame.key.size() + frame.value.size();
}

uint64_t Writer::footprint(const record::CommitRequest& request) {
  uint64_t bytes = 0;
  for (const auto& batch : request.batches) {
    bytes += kFrameHeaderBytes + batch.payload.size();
  }
  for (const auto& frame : request.system) {
    bytes += footprint(frame);
  }
  if (request.batch_id) {
    bytes += kFrameHeaderBytes + 64;
  }
  if (request.durability == Durability::kInterval) {  // each may need a reservation
    bytes += request.batches.size() * (kFrameHeaderBytes + 64);
  }
  return bytes;
}

std::optional<Error> Writer::refusal(const Pending& pending) const {
  const auto& request = pending.request;
  if (!request.system.empty() && request.durability == Durability::kInterval) {
    return make_error(Code::kInvalid, "system frames without a sync");
  }
  if (request.batches.empty() && request.system.empty()) {
    return make_error(Code::kInvalid, "commit of nothing");
  }
  if (request.batch_id && request.batches.empty()) {
    return make_error(Code::kInvalid, "a batch id without a batch");
  }
  for (const auto& batch : request.batches) {
    if (batch.records == 0) {
      return make_error(Code::kInvalid, "batch of 0 records");
    }
  }
  if (const uint64_t bytes = footprint(request); bytes > options_.max_commit_bytes) {
    return make_error(Code::kInvalid, "commit of {} bytes, the limit is {}", bytes,
                      options_.max_commit_bytes);
  }
  return std::nullopt;
}

size_t Writer::choose(std::span<Pending* const> queue, uint64_t& bytes) const {
  size_t count = 0;
  for (; count < queue.size(); ++count) {
    const uint64_t more = refusal(*queue[count]) ? 0 : footprint(queue[count]->request);
    if (count > 0 && bytes + more > options_.run_bytes) {
      break;
    }
    bytes += more;
  }
  return count;
}

size_t Writer::write(std::span<Pending* const> queue) {
  uint64_t bytes = kRunHeaderBytes;
  const size_t count = choose(queue, bytes);
  const auto chosen = queue.first(count);
  if (is_poisoned()) {
    for (Pending* pending : chosen) {
      pending->result = make_error(
          Code::kReadOnly, "the journal is read-only after a failed write or sync; restart it");
    }
    return count;
  }
  const auto begun = clock_.steady();
  const std::vector<Pending*> taken = give_room(chosen, bytes);
  Run run;
  const int64_t now_ms = id_time_ms();
  for (Pending* pending : taken) {
    admit(*pending, run, now_ms);
  }
  if (run.frames.empty()) {
    // The original of a duplicate may not be synced yet.
    if (const Status synced = run.is_synced ? sync() : Status(); !synced.ok()) {
      fail(taken, synced.error());
    }
    return count;
  }
  for (const Pending* pending : taken) {
    if (pending->queued) {
      counters_.wait.add(seconds(begun - *pending->queued));
    }
  }
  counters_.gather.add(seconds(clock_.steady() - begun));
  run.is_synced |= is_sync_due();
  if (const Status written = write_run(run, 0); !written.ok()) {
    fail(taken, written.error());
  }
  return count;
}

void Writer::admit(Pending& pending, Run& run, int64_t now_ms) {
  auto& request = pending.request;
  if (auto refused = refusal(pending)) {
    pending.result = *std::move(refused);
    return;
  }
  run.is_synced |= request.durability == Durability::kFsync;
  for (const auto& batch : request.batches) {
    if (state_.has_ended(batch.partition.topic)) {  // here: it may have ended within this run
      pending.result = make_error(Code::kNotFound, "topic {} was deleted meanwhile",
                                  batch.partition.topic.to_string());
      return;
    }
  }
  if (request.batch_id) {
    if (const BatchAnswer* known = state_.find_batch_id(*request.batch_id)) {
      pending.result = record::CommitOutcome{{known->base_offset}, true, known->partition};
      return;
    }
    if (!state_.can_remember_batch_id(now_ms)) {
      pending.result = make_error(Code::kOverloaded,
                                  "{} batch ids of the last {} minutes are remembered; try later",
                                  State::kMaxBatchIds, State::kBatchIdLife.count());
      return;
    }
  }
  record::CommitOutcome outcome;
  for (const auto& system : request.system) {
    run.add(system);
    state_.apply(system);
  }
  for (const auto& batch : request.batches) {
    outcome.base_offsets.push_back(add(batch, run));
    if (request.durability == Durability::kInterval) {
      reserve(batch.partition, run);
    }
  }
  if (request.batch_id) {
    const auto& batch = request.batches.front();
    const BatchAnswer answer{batch.partition, outcome.base_offsets.front(), batch.records, now_ms};
    state_.remember_batch_id(*request.batch_id, answer);
    run.add(State::batch_id_frame(*request.batch_id, answer));
  }
  pending.result = std::move(outcome);
}

/// Takes the batch's offsets; returns the first.
Offset Writer::add(const record::BatchToCommit& batch, Run& run) {
  FrameHeader header;
  header.type = FrameType::kBatch;
  header.payload_bytes = static_cast<uint32_t>(batch.payload.size());
  header.partition = batch.partition;
  header.records = batch.records;
  header.base_offset = state_.assign(batch.partition, batch.records);
  header.max_timestamp_ms = batch.max_timestamp_ms;
  header.payload_crc = batch.payload_crc;
  run.add(header, batch.payload);
  return header.base_offset;
}

Status Writer::write_checkpoint() {
  Run run;
  for (const auto& frame : state_.checkpoint()) {
    if (!run.frames.empty() && run.length() + footprint(frame) > options_.run_bytes) {
      MILLRACE_TRY_STATUS(write_run(run, kCheckpointPart));
      run = {};
    }
    run.is_synced = true;
    run.add(frame);
  }
  run.is_synced = true;
  MILLRACE_TRY_STATUS(write_run(run, kCheckpointPart | kCheckpointEnd));
  tail_.checkpoint_run = tail_.last_synced;
  return {};
}

Status Writer::write_run(const Run& run, uint32_t flags) {
  std::vector<std::byte> head(kRunHeaderBytes + run.frames.size() * kFrameHeaderBytes);
  uint64_t records = 0;
  for (size_t i = 0; i < run.frames.size(); ++i) {
    records += run.frames[i].records;
    run.frames[i].encode(std::span<std::byte, kFrameHeaderBytes>(
        head.data() + kRunHeaderBytes + i * kFrameHeaderBytes, kFrameHeaderBytes));
  }
  RunHead written{{}, run.frames};
  RunHeader& header = written.header;
  header.directory = tail_.directory;
  header.file = tail_.file->number;
  header.position = tail_.position;
  header.run = tail_.next_run;
  header.durable_upto = tail_.last_synced;
  header.length = static_cast<uint32_t>(run.length());
  header.frames = static_cast<uint32_t>(run.frames.size());
  header.frames_crc = bytes::crc32c(std::span(head).subspan(kRunHeaderBytes));
  header.previous_crc = tail_.previous_crc;
  header.flags = flags;
  const auto encoded = header.encode();
  std::copy(encoded.begin(), encoded.end(), head.begin());

  std::vector<io::ConstBytes> parts;
  parts.reserve(run.payloads.size() + 2);
  parts.emplace_back(head);
  for (const bytes::Buffer& payload : run.payloads) {
    parts.emplace_back(payload.span());
  }
  parts.emplace_back(std::span(kZeros).first(padded(header.length) - header.length));
  MILLRACE_CHECK(header.end() <= tail_.file->size, "run beyond the reserved space");
  counters_.in_flight = 1;
  Status done = hand_over(parts);
  if (done.ok()) {
    tail_.last_written = header.run;
    tail_.written = {header.file, header.position, header.run, header.crc};
    done = run.is_synced ? sync_out() : Status();
  }
  counters_.in_flight = 0;
  if (!done.ok()) {
    return poison(done.error());
  }
  if (!run.is_synced) {
    unsynced_since_ = unsynced_since_.value_or(clock_.steady());
    counters_.unsynced_bytes += padded(header.length);
  }
  tail_.position = header.end();
  tail_.next_run = next(header.run);
  tail_.previous_crc = header.crc;
  tail_.is_proven = run.frames.empty();
  index_.add_run(written);
  ++counters_.runs;
  counters_.run_bytes.add(static_cast<double>(padded(header.length)));
  counters_.run_records.add(static_cast<double>(records));
  counters_.frames += run.frames.size();
  counters_.bytes += padded(header.length);
  return {};
}

Status Writer::hand_over(std::span<const io::ConstBytes> run) {
  const auto begun = clock_.steady();
  MILLRACE_TRY([[maybe_unused]] const uint64_t place, out_->append(run));
  MILLRACE_TRY_STATUS(out_->flush());
  counters_.write.add(seconds(clock_.steady() - begun));
  return {};
}

/// The runs written are durable; which had to wait for it is the caller's business.
Status Writer::sync_out() {
  const auto begun = clock_.steady();
  MILLRACE_TRY_STATUS(out_->sync());
  counters_.sync.add(seconds(clock_.steady() - begun));
  counters_.unsynced_bytes = 0;
  unsynced_since_.reset();
  tail_.last_synced = tail_.last_written;
  tail_.place = tail_.written;
  return {};
}

Status Writer::prove() {
  if (is_poisoned()) {
    return make_error(Code::kReadOnly, "the journal is read-only");
  }
  if (tail_.is_proven) {
    return {};
  }
  if (tail_.position + kBlock > tail_.file->size) {  // recovery refuses such a file
    return poison(make_error(Code::kCorrupt, "{}: no block is left for the run that proves run {}",
                             tail_.file->file->path(), tail_.last_synced));
  }
  Run proof;
  proof.is_synced = true;
  return write_run(proof, 0);
}

void Writer::free_below(FileNumber number) {
  // Until a run after the checkpoint is durable, a bad checkpoint must be derivable from the file
  // before.
  if (tail_.last_synced <= tail_.checkpoint_run) {
    number = std::min(number, FileNumber{tail_.file->number.value - 1});
  }
  auto dropped = index_.drop_below(number);
  for (const auto& [partition, start] : dropped.starts) {
    state_.set_start(partition, start);
  }
  for (auto& file : dropped.files) {
    files_.retire(std::move(file));
    ++counters_.files_freed;
  }
  if (!dropped.files.empty() && is_within_budget(missing_bytes_)) {
    missing_bytes_ = 0;
  }
}

Error Writer::poison(const Error& cause) {
  poison_cause_ = cause.message;
  is_poisoned_ = true;
  return make_error(Code::kOutcomeUnknown, "the journal failed while writing this: {}",
                    cause.message);
}

Result<Tail> Writer::create(Files& files, Index& index, const DirectoryId& directory,
                            FileNumber number, const WriterOptions& options, State state) {
  Tail tail;
  tail.directory = directory;
  tail.greatest_number = number;
  const uint64_t least = checkpoint_bytes(state, options) + 2 * kBlock;
  MILLRACE_TRY(tail.file,
               files.take_spare(number, std::max(options.first_file_bytes, padded(least))));
  index.add_file(tail.file, {});
  MILLRACE_TRY(const auto writer,
               open(files, index, std::move(state), std::move(tail), options, system_clock()));
  MILLRACE_TRY_STATUS(writer->write_checkpoint());
  return std::move(writer->tail_);
}

}  // namespace millrace::journal
