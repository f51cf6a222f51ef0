#include "broker/scrub.h"

#include "base/log.h"
#include "runtime/coroutine.h"
#include "runtime/deadline.h"

#include <algorithm>
#include <random>

namespace millrace::broker {
namespace {

using namespace std::chrono_literals;
using segment::ObjectCheck;
using segment::PartRange;
using Clock = std::chrono::steady_clock;

constexpr size_t kTold = 10'000;                 // places that are told apart
constexpr uint64_t kAtOnce = uint64_t{1} << 20;  // bytes before it looks at the rate again
constexpr std::chrono::milliseconds kFirst = 60s;
constexpr std::chrono::milliseconds kLongestPause = 10min;

/// Between half and one and a half of a minute, or of a shorter interval.
std::chrono::milliseconds first_pause(std::chrono::milliseconds interval) {
  const int64_t middle = std::min(kFirst, interval).count();
  std::mt19937 random{std::random_device{}()};
  return std::chrono::milliseconds(
      std::uniform_int_distribution<int64_t>(middle / 2, middle * 3 / 2)(random));
}

int64_t now_ns() {
  return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count();
}

std::vector<PartRange> ranges_of(const catalog::SegmentRow& row) {
  std::vector<PartRange> ranges;
  ranges.reserve(row.parts.size());
  for (const catalog::SegmentPartRow& part : row.parts) {
    ranges.push_back({part.partition, part.first, part.next});
  }
  return ranges;
}

}  // namespace

/// A journal file that is being read.
struct Scrub::FileWork {
  journal::Index::Sealed file;
  std::string path;
  std::unique_ptr<journal::FileCheck> check;
  uint64_t bytes = 0;  // read since they were paid for
};

/// A segment object that is being read.
struct Scrub::ObjectWork {
  catalog::SegmentRow row;
  std::unique_ptr<ObjectCheck> check;
  uint64_t bytes = 0;
};

Scrub::Scrub(const ScrubParts& parts, ScrubOptions options)
    : parts_(parts), options_(std::move(options)), whole_at_ns_(now_ns()) {}

uint64_t Scrub::damaged_now() const {
  return std::max(met_.load(), met_last_.load());
}

std::chrono::duration<double> Scrub::age() const {
  return std::chrono::nanoseconds(now_ns() - whole_at_ns_.load());
}

runtime::Task<void> Scrub::run(runtime::CancelToken stop) {
  if (options_.interval.count() == 0) {
    co_return;
  }
  Backoff backoff(
      1s, std::min(kLongestPause, std::max<std::chrono::milliseconds>(1s, options_.interval)));
  bool has_failed = false;
  auto next = runtime::Deadline::after(first_pause(options_.interval));
  while (co_await runtime::sleep_until(next, stop)) {
    next = runtime::Deadline::after(options_.interval);
    const Status done = co_await pass(stop);
    if (stop.is_cancelled()) {
      co_return;
    }
    if (done.ok()) {
      backoff.reset();
    } else {
      if (!has_failed) {
        log::warning("scrub", "not all that is stored could be read, and it is begun again: {}",
                     done.error().message);
      }
      next = runtime::Deadline::after(backoff.next());
    }
    has_failed = !done.ok();
  }
}

runtime::Task<Status> Scrub::pass(runtime::CancelToken stop) {
  const runtime::CancelCallback on_stop(stop, [this] { is_stopping_ = true; });
  met_ = 0;
  paid_at_ = Clock::now();
  for (const journal::Index::Sealed& file : parts_.log.sealed_files()) {
    MILLRACE_CO_TRY_STATUS(co_await check_file(file, stop));
  }
  for (const catalog::SegmentRow& row : parts_.history.segments()) {
    MILLRACE_CO_TRY_STATUS(co_await check_object(row, stop));
  }
  met_last_ = met_.exchange(0);
  whole_at_ns_ = now_ns();
  ++passes_;
  co_return Status();
}

runtime::Task<bool> Scrub::pay(uint64_t bytes, runtime::CancelToken stop) {
  read_bytes_ += bytes;
  const std::chrono::duration<double> costs(static_cast<double>(bytes) /
                                            static_cast<double>(options_.bytes_per_second));
  paid_at_ = std::max(paid_at_, Clock::now()) + std::chrono::duration_cast<Clock::duration>(costs);
  co_return co_await runtime::sleep_until(runtime::Deadline(paid_at_), stop);
}

runtime::Task<Status> Scrub::check_file(journal::Index::Sealed file, runtime::CancelToken stop) {
  FileWork work{.file = file, .path = parts_.log.path_of(file.number)};
  while (true) {
    work.bytes = 0;
    MILLRACE_CO_TRY(const bool goes_on, co_await parts_.pool.run([&]() -> Result<bool> {
      bool is_left = true;
      while (is_left && work.bytes < kAtOnce && !is_stopping_) {
        is_left = step(work);
      }
      return is_left;
    }));
    if (!co_await pay(work.bytes, stop)) {
      co_return make_error(Code::kCancelled, "scrub: stopped");
    }
    if (!goes_on) {
      co_return Status();
    }
  }
}

runtime::Task<Status> Scrub::check_object(catalog::SegmentRow row, runtime::CancelToken stop) {
  ObjectWork work{.row = std::move(row)};
  while (true) {
    work.bytes = 0;
    MILLRACE_CO_TRY(const bool goes_on,
                    co_await parts_.pool.run([&]() -> Result<bool> { return step(work); }));
    if (!co_await pay(work.bytes, stop)) {
      co_return make_error(Code::kCancelled, "scrub: stopped");
    }
    if (!goes_on) {
      co_return Status();
    }
  }
}

/// A run, or the way over a damaged one. false: nothing is left of the file.
bool Scrub::step(FileWork& work) {
  std::vector<journal::FileDamage> damages;
  uint64_t position = 0;
  const auto reopen = [&]() {
    auto opened = journal::FileCheck::open(parts_.disk, work.path, work.file.number,
                                           work.file.end_position, position);
    if (!opened.ok()) {
      const bool is_gone = opened.error().code == Code::kNotFound;
      damages = {{is_gone ? "missing-file" : "unreadable", position,
                  is_gone ? "the file is not there" : opened.error().message, std::nullopt}};
      return false;
    }
    work.check = std::make_unique<journal::FileCheck>(*std::move(opened));
    return true;
  };
  bool is_open = work.check != nullptr || reopen();
  if (is_open) {
    position = work.check->position();
    work.bytes += work.check->step(damages);
  }
  // It may have been freed, and its name or its blocks be of another file by now: then it is no
  // longer in the index. Read once more by its name: what may have been freed before it was asked
  // for is told from damage.
  if (is_open && !damages.empty()) {
    damages.clear();
    is_open = reopen();
    if (is_open) {
      work.bytes += work.check->step(damages);
    }
  }
  if (!parts_.log.has_file(work.file.number)) {
    return false;
  }
  for (const journal::FileDamage& damage : damages) {
    tell(work.path, damage);
  }
  return is_open && !work.check->is_done();
}

/// false: nothing is left of the object.
Result<bool> Scrub::step(ObjectWork& work) {
  if (!work.check) {
    return open(work);
  }
  ObjectCheck::Damages damages;
  MILLRACE_TRY(const uint64_t bytes, work.check->step(damages));
  work.bytes += options_.objects == ObjectCheck::Depth::kData ? bytes : 0;
  return tell(work, damages) && !work.check->is_done();
}

Result<bool> Scrub::open(ObjectWork& work) {
  const catalog::SegmentRow& row = work.row;
  auto reader = parts_.store.read(row.name);
  if (!reader.ok()) {
    if (!segment::is_of_the_object(reader.error())) {
      return reader.error();
    }
    const bool is_gone = reader.error().code == Code::kNotFound;
    tell(work, {{is_gone ? "missing-object" : "unreadable-object", std::nullopt,
                 is_gone ? "the object is not there" : reader.error().message, std::nullopt}});
    return false;
  }
  const uint64_t size = (*reader)->bytes();
  if (size != row.bytes) {
    tell(work, {{"truncated-object", std::min(size, row.bytes),
                 fmt::format("has {} bytes instead of {}", size, row.bytes), std::nullopt}});
    return false;
  }
  ObjectCheck::Damages damages;
  MILLRACE_TRY(work.check,
               ObjectCheck::open(*std::move(reader), row.name, options_.objects, damages));
  work.bytes += std::min<uint64_t>(size, segment::Segment::kEndBytes);
  if (work.check) {
    MILLRACE_TRY(const auto header, work.check->header(damages));
    if (header && header->object != row.object) {
      damages.push_back({"foreign-object", 0,
                         fmt::format("it is object {}, catalog.db means {}",
                                     header->object.to_string(), row.object.to_string()),
                         std::nullopt});
    }
  }
  return tell(work, damages) && work.check != nullptr;
}

void Scrub::tell(const std::string& file, const journal::FileDamage& damage) {
  std::vector<PartRange> touched;
  if (damage.frame) {
    const journal::FrameHeader& frame = *damage.frame;
    touched.push_back({frame.partition, frame.base_offset, frame.base_offset + frame.records});
  }
  tell(file, damage.problem, damage.position, damage.what, touched);
}

/// false: the object is no longer one that the catalog names, so that nothing of it is damage.
bool Scrub::tell(const ObjectWork& work, const ObjectCheck::Damages& damages) {
  if (damages.empty()) {
    return true;
  }
  if (!parts_.history.knows(work.row.name)) {
    return false;
  }
  for (const segment::ObjectDamage& damage : damages) {
    tell(parts_.store.location_of(work.row.name), damage.problem, damage.position, damage.what,
         damage.range ? std::vector{*damage.range} : ranges_of(work.row));
  }
  return true;
}

void Scrub::tell(const std::string& file, const char* problem, std::optional<uint64_t> position,
                 const std::string& what, const std::vector<PartRange>& touched) {
  ++met_;
  const std::string place =
      fmt::format("{}{}: {}", file, position ? fmt::format(" at {}", *position) : "", problem);
  if (told_.size() >= kTold || !told_.insert(place).second) {
    return;
  }
  ++damaged_;
  std::string whose;
  for (const PartRange& range : touched) {
    whose += (whose.empty() ? "; " : ", ") + text_of(range);
  }
  log::error("scrub", "{}: {}{}; to see all of it, stop the server: millrace fsck --data {}", place,
             what, whose, options_.data);
}

std::string Scrub::text_of(const PartRange& range) const {
  const TopicPtr topic = parts_.broker.find(range.partition.topic);
  return fmt::format("offsets {} to {} of partition {} of topic {}", range.first,
                     range.next.value - 1, range.partition.partition,
                     topic ? topic->name() : range.partition.topic.to_string());
}

}  // namespace millrace::broker
