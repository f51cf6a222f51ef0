#include "objects/faulty_store.h"

#include <array>
#include <utility>

namespace millrace::objects {
namespace {

Error broken(std::string_view what, const std::string& location) {
  return make_error(Code::kOverloaded, "{} {}: connection reset by peer", what, location);
}

}  // namespace

class FaultyStore::Writer final : public ObjectWriter {
 public:
  Writer(FaultyStore& store, std::string name) : store_(store), put_{std::move(name), {}} {}

  Status write(std::span<const std::byte> bytes) override {
    put_.content.insert(put_.content.end(), bytes.begin(), bytes.end());
    return {};
  }

  Status publish() override {
    const uint64_t size = put_.content.size();
    store_.counters_.count(RequestKind::kPut);
    MILLRACE_TRY_STATUS(store_.counters_.checked(store_.put(std::move(put_))));
    store_.counters_.bytes_written += size;
    return {};
  }

 private:
  FaultyStore& store_;
  Put put_;
};

class FaultyStore::Reader final : public ObjectReader {
 public:
  Reader(FaultyStore& store, std::string name, std::unique_ptr<ObjectReader> inner)
      : store_(store), name_(std::move(name)), inner_(std::move(inner)) {}

  uint64_t bytes() const override { return inner_->bytes(); }

  Status read_at(uint64_t position, std::span<std::byte> out) const override {
    store_.counters_.count(RequestKind::kGet);
    MILLRACE_TRY_STATUS(store_.counters_.checked(store_.request("GET", name_)));
    MILLRACE_TRY_STATUS(store_.counters_.checked(inner_->read_at(position, out)));
    store_.counters_.bytes_read += out.size();
    return {};
  }

 private:
  FaultyStore& store_;
  const std::string name_;
  const std::unique_ptr<ObjectReader> inner_;
};

FaultyStore::FaultyStore(ObjectStore& inner, uint64_t seed, Wait wait)
    : inner_(inner), wait_(std::move(wait)), random_(seed) {}

FaultyStore::~FaultyStore() = default;

void FaultyStore::set_faults(const StoreFaults& faults) {
  MutexLock lock(mutex_);
  faults_ = faults;
}

void FaultyStore::set_away(bool is_away) {
  MutexLock lock(mutex_);
  is_away_ = is_away;
}

void FaultyStore::plan_puts(std::initializer_list<PutFate> fates) {
  MutexLock lock(mutex_);
  planned_.insert(planned_.end(), fates);
}

size_t FaultyStore::late_puts() const {
  MutexLock lock(mutex_);
  return late_.size();
}

Result<bool> FaultyStore::land_late_put() {
  Put put;
  {
    MutexLock lock(mutex_);
    if (late_.empty()) {
      return false;
    }
    const auto chosen = late_.begin() + static_cast<ptrdiff_t>(random_() % late_.size());
    put = std::move(*chosen);
    late_.erase(chosen);
  }
  MILLRACE_TRY_STATUS(land(put));
  return true;
}

bool FaultyStore::chance(double share) {
  // As many numbers are drawn whatever the shares are: faults set to 0 shift no later ones.
  constexpr double kAll = 18'446'744'073'709'551'616.0;  // 2^64
  return static_cast<double>(random_()) < share * kAll;
}

Error FaultyStore::refusal(std::string_view what, const std::string& name) {
  constexpr std::array<std::string_view, 3> kAnswers = {"500 InternalError",
                                                        "503 ServiceUnavailable", "503 SlowDown"};
  return make_error(Code::kOverloaded, "{} {}: {}", what, location_of(name),
                    is_away_ ? "connection refused" : kAnswers.at(random_() % kAnswers.size()));
}

void FaultyStore::take_time() {
  std::chrono::nanoseconds latency{0};
  {
    MutexLock lock(mutex_);
    const uint64_t drawn = random_();
    const auto room = static_cast<uint64_t>(
        std::max<int64_t>((faults_.most_latency - faults_.least_latency).count(), 0));
    latency =
        faults_.least_latency + std::chrono::nanoseconds(static_cast<int64_t>(drawn % (room + 1)));
  }
  if (wait_ && latency.count() > 0) {
    wait_(latency);
  }
}

Status FaultyStore::request(std::string_view what, const std::string& name) {
  take_time();
  MutexLock lock(mutex_);
  const bool refused = chance(faults_.refuses);
  return refused || is_away_ ? Status(refusal(what, name)) : Status{};
}

PutFate FaultyStore::next_fate() {
  constexpr std::array kBroken = {PutFate::kBrokenDone, PutFate::kBrokenNotDone,
                                  PutFate::kBrokenLate};
  const bool refused = chance(faults_.refuses);
  const bool breaks = chance(faults_.breaks);
  const bool repeats = chance(faults_.repeats);
  const PutFate how = kBroken.at(random_() % kBroken.size());
  if (is_away_) {
    return PutFate::kRefused;
  }
  if (!planned_.empty()) {
    const PutFate planned = planned_.front();
    planned_.pop_front();
    return planned;
  }
  if (refused) {
    return PutFate::kRefused;
  }
  if (breaks) {
    return how;
  }
  return repeats ? PutFate::kDoneAndAgain : PutFate::kDone;
}

Status FaultyStore::put(Put put) {
  take_time();
  PutFate fate{};
  {
    MutexLock lock(mutex_);
    fate = next_fate();
    if (fate == PutFate::kRefused) {
      return refusal("PUT", put.name);
    }
  }
  if (fate != PutFate::kBrokenNotDone && fate != PutFate::kBrokenLate) {
    MILLRACE_TRY_STATUS(land(put));
  }
  const std::string location = location_of(put.name);
  if (fate == PutFate::kBrokenLate || fate == PutFate::kDoneAndAgain) {
    MutexLock lock(mutex_);
    late_.push_back(std::move(put));
  }
  const bool is_broken = fate != PutFate::kDone && fate != PutFate::kDoneAndAgain;
  return is_broken ? Status(broken("PUT", location)) : Status{};
}

Status FaultyStore::land(const Put& put) {
  MILLRACE_TRY(const auto writer, inner_.create(put.name));
  MILLRACE_TRY_STATUS(writer->write(put.content));
  return writer->publish();
}

Result<std::unique_ptr<ObjectWriter>> FaultyStore::create(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, name));
}

Result<std::vector<ObjectInfo>> FaultyStore::list(const std::string& folder) {
  MILLRACE_TRY_STATUS(check_folder(folder));
  counters_.count(RequestKind::kList);
  MILLRACE_TRY_STATUS(counters_.checked(request("LIST", folder)));
  return counters_.checked(inner_.list(folder));
}

Result<std::unique_ptr<ObjectReader>> FaultyStore::read(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  counters_.count(RequestKind::kHead);
  MILLRACE_TRY_STATUS(counters_.checked(request("HEAD", name)));
  MILLRACE_TRY(auto inner, counters_.checked(inner_.read(name)));
  return std::unique_ptr<ObjectReader>(std::make_unique<Reader>(*this, name, std::move(inner)));
}

Result<ObjectInfo> FaultyStore::look(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  counters_.count(RequestKind::kHead);
  MILLRACE_TRY_STATUS(counters_.checked(request("HEAD", name)));
  return counters_.checked(inner_.look(name));
}

Status FaultyStore::remove(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  counters_.count(RequestKind::kDelete);
  MILLRACE_TRY_STATUS(counters_.checked(request("DELETE", name)));
  bool breaks = false;
  bool is_done = false;
  {
    MutexLock lock(mutex_);
    breaks = chance(faults_.breaks);
    is_done = chance(1.0 / 2);
  }
  if (breaks && !is_done) {
    return counters_.checked<void>(broken("DELETE", location_of(name)));
  }
  MILLRACE_TRY_STATUS(counters_.checked(inner_.remove(name)));
  return breaks ? counters_.checked<void>(broken("DELETE", location_of(name))) : Status{};
}

std::string FaultyStore::location_of(const std::string& name) const {
  return inner_.location_of(name);
}

}  // namespace millrace::objects
