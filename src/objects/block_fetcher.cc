#include "objects/block_fetcher.h"

#include <algorithm>

namespace millrace::objects {

BlockFetcher::~BlockFetcher() {
  {
    MutexLock lock(mutex_);
    is_stopping_ = true;
  }
  limit_.stop();
  if (pool_) {
    pool_->stop();
  }
}

Status BlockFetcher::read(const Object& object, uint64_t position, std::span<std::byte> out) {
  while (!out.empty()) {
    MILLRACE_TRY(const size_t done, read_some(*object, position, out));
    position += done;
    out = out.subspan(done);
  }
  return {};
}

/// Fills the beginning of `out`: returns how much.
Result<size_t> BlockFetcher::read_some(const RemoteObject& object, uint64_t position,
                                       std::span<std::byte> out) {
  const uint64_t skip = position % block_bytes_;
  const uint64_t begin = position - skip;
  const auto part = out.first(std::min<uint64_t>(out.size(), block_bytes_ - skip));
  bool may_be_kept = true;
  while (true) {
    const Source source = source_of(object, begin, position + out.size(), may_be_kept);
    if (!source.run.flights.empty()) {
      return bring(object, source.run, skip, out);
    }
    if (source.flight && !source.flight->result.ok()) {
      return source.flight->result.error();
    }
    if (source.flight) {
      std::ranges::copy(source.flight->content.subspan(skip, part.size()), part.begin());
    } else if (!cache_.read(object, begin, skip, part)) {
      may_be_kept = false;
      continue;
    }
    if (!source.was_waited_for) {
      ++counters_.hits;
      counters_.bytes_from_cache += part.size();
    }
    return part.size();
  }
}

/// The same for blocks that this caller brings.
Result<size_t> BlockFetcher::bring(const RemoteObject& object, const Run& run, uint64_t skip,
                                   std::span<std::byte> out) {
  MILLRACE_TRY_STATUS(fetch(object, run));
  const size_t copied = std::min<uint64_t>(out.size(), run.flights.size() * block_bytes_ - skip);
  std::copy_n(run.flights.front()->owner.get() + skip, copied, out.begin());
  land(object, run);
  return copied;
}

BlockFetcher::Source BlockFetcher::source_of(const RemoteObject& object, uint64_t begin,
                                             uint64_t end, bool may_be_kept) {
  MutexLock lock(mutex_);
  while (true) {
    const FlightPointer flight = find(object, begin);
    if (!flight && may_be_kept && cache_.has(object, begin)) {
      return {};
    }
    if (!flight || flight->state == Flight::State::kQueued) {
      return {.flight = nullptr, .run = claim(object, begin, end)};
    }
    const bool has_to_wait = flight->state == Flight::State::kUnderWay;
    if (has_to_wait) {
      ++counters_.misses;
    }
    flight->is_used = true;
    while (flight->state != Flight::State::kDone) {
      flight->done.wait(mutex_);
    }
    if (flight->result.ok() || !flight->is_prefetch) {  // else: now it is asked for
      return {.flight = flight, .was_waited_for = has_to_wait, .run = {}};
    }
  }
}

BlockFetcher::FlightPointer BlockFetcher::find(const RemoteObject& object, uint64_t begin) const {
  const auto found = flights_.find({&object, begin});
  return found == flights_.end() ? nullptr : found->second;
}

/// The block at `begin`, and those behind it up to `end` that nobody has or brings.
BlockFetcher::Run BlockFetcher::claim(const RemoteObject& object, uint64_t begin, uint64_t end) {
  Run run{.begin = begin, .flights = {}};
  for (uint64_t at = begin; at < end && run.flights.size() < kMostBlocks; at += block_bytes_) {
    FlightPointer& flight = flights_[{&object, at}];
    if (!flight) {
      if (at != begin && cache_.has(object, at)) {
        flights_.erase({&object, at});
        break;
      }
      flight = std::make_shared<Flight>();
    } else if (flight->state != Flight::State::kQueued) {
      break;
    }
    flight->state = Flight::State::kUnderWay;
    flight->is_prefetch = false;
    run.flights.push_back(flight);
    ++counters_.misses;
  }
  return run;
}

/// One read of the remote. Whoever waits has the bytes, or the error, when it returns.
Status BlockFetcher::fetch(const RemoteObject& object, const Run& run) {
  const uint64_t end = std::min(run.begin + run.flights.size() * block_bytes_, object.bytes);
  const size_t bytes = end - run.begin;
  std::shared_ptr<std::byte[]> owner = std::make_shared_for_overwrite<std::byte[]>(bytes);
  const std::span<std::byte> all(owner.get(), bytes);
  Status read = read_remote(object, run.begin, all);
  MutexLock lock(mutex_);
  uint64_t at = 0;
  for (const FlightPointer& flight : run.flights) {
    flight->state = Flight::State::kDone;
    flight->result = read;
    if (read.ok()) {
      flight->owner = std::shared_ptr<const std::byte[]>(owner, owner.get() + at);
      flight->content = all.subspan(at, std::min<uint64_t>(block_bytes_, bytes - at));
    } else {
      flights_.erase({&object, run.begin + at});
    }
    flight->done.notify_all();
    at += block_bytes_;
  }
  return read;
}

/// Into the cache with it.
void BlockFetcher::land(const RemoteObject& object, const Run& run) {
  uint64_t at = run.begin;
  for (const FlightPointer& flight : run.flights) {
    cache_.keep(object, at, flight->content);
    MutexLock lock(mutex_);
    flights_.erase({&object, at});
    if (flight->is_prefetch && flight->is_used) {
      ++counters_.prefetch_used;
    } else if (flight->is_prefetch) {
      cache_.mark_prefetched(object, at);
    }
    at += block_bytes_;
  }
}

Status BlockFetcher::read_remote(const RemoteObject& object, uint64_t position,
                                 std::span<std::byte> out) {
  limit_.wait_for(out.size());
  const auto begin = clock_.steady();
  MILLRACE_TRY_STATUS(object.remote->read_at(position, out));
  if (out.size() >= block_bytes_) {
    speed_.add_read(out.size(), clock_.steady() - begin);
  }
  counters_.bytes_from_remote += out.size();
  return {};
}

void BlockFetcher::prefetch(const Object& object, ReadAhead::Order order) {
  if (!pool_) {
    return;
  }
  for (uint64_t at = order.begin; at < order.end; at += block_bytes_) {
    {
      MutexLock lock(mutex_);
      if (find(*object, at) || cache_.has(*object, at)) {
        continue;
      }
      const auto flight = std::make_shared<Flight>();
      flight->is_prefetch = true;
      flights_[{object.get(), at}] = flight;
    }
    if (!pool_->submit([this, object, at] { fetch_ahead(*object, at); }).ok()) {
      MutexLock lock(mutex_);
      if (const auto flight = find(*object, at); flight && flight->is_prefetch) {
        flights_.erase({object.get(), at});
      }
      return;  // enough is queued
    }
  }
}

/// The job of a queued flight, unless a reader took it over.
void BlockFetcher::fetch_ahead(const RemoteObject& object, uint64_t begin) {
  Run run{.begin = begin, .flights = {}};
  {
    MutexLock lock(mutex_);
    const FlightPointer flight = find(object, begin);
    if (!flight || flight->state != Flight::State::kQueued) {
      return;
    }
    if (is_stopping_ || object.is_gone || cache_.is_paused()) {  // not kept: read twice
      flights_.erase({&object, begin});
      return;
    }
    flight->state = Flight::State::kUnderWay;
    run.flights.push_back(flight);
  }
  if (fetch(object, run).ok()) {
    ++counters_.prefetched;
    land(object, run);
  } else {
    ++counters_.prefetch_failed;
  }
}

}  // namespace millrace::objects
