#include "objects/patient_store.h"

#include "base/log.h"

#include <optional>
#include <utility>

namespace millrace::objects {

template <typename Call>
auto PatientStore::patiently(Call call) -> decltype(call()) {
  Backoff backoff(options_.first_pause, options_.longest_pause);
  const auto since = clock_.steady();
  bool is_told = false;
  while (true) {
    auto result = call();
    if (result.ok() || result.error().code != Code::kOverloaded) {
      has_answered_ = true;
      return result;
    }
    const auto most = has_answered_ ? options_.most : options_.most_unanswered;
    const auto pause = backoff.next();
    const auto failing = clock_.steady() - since;
    if (failing + pause > most) {
      return result;
    }
    if (failing >= std::chrono::seconds(1) && !std::exchange(is_told, true)) {
      log::warning("objects", "{}; asked again for up to {} s", result.error().message,
                   std::chrono::floor<std::chrono::seconds>(most).count());
    }
    wait_(pause);
  }
}

class PatientStore::Reader final : public ObjectReader {
 public:
  Reader(PatientStore& store, std::unique_ptr<ObjectReader> inner)
      : store_(store), inner_(std::move(inner)) {}

  uint64_t bytes() const override { return inner_->bytes(); }

  Status read_at(uint64_t position, std::span<std::byte> out) const override {
    return store_.patiently([&] { return inner_->read_at(position, out); });
  }

 private:
  PatientStore& store_;
  const std::unique_ptr<ObjectReader> inner_;
};

class PatientStore::Writer final : public ObjectWriter {
 public:
  Writer(PatientStore& store, std::string name) : store_(store), name_(std::move(name)) {}

  Status write(std::span<const std::byte> bytes) override {
    content_.insert(content_.end(), bytes.begin(), bytes.end());
    return {};
  }

  Status publish() override {
    return store_.patiently([&]() -> Status {
      MILLRACE_TRY(const auto writer, store_.inner_->create(name_));
      MILLRACE_TRY_STATUS(writer->write(content_));
      return writer->publish();
    });
  }

 private:
  PatientStore& store_;
  const std::string name_;
  std::vector<std::byte> content_;
};

PatientStore::PatientStore(std::unique_ptr<ObjectStore> inner, const PatienceOptions& options,
                           const Clock& clock, Wait wait)
    : inner_(std::move(inner)), options_(options), clock_(clock), wait_(std::move(wait)) {}

Result<std::unique_ptr<ObjectWriter>> PatientStore::create(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, name));
}

Result<std::vector<ObjectInfo>> PatientStore::list(const std::string& folder) {
  return patiently([&] { return inner_->list(folder); });
}

Result<std::unique_ptr<ObjectReader>> PatientStore::read(const std::string& name) {
  MILLRACE_TRY(auto reader, patiently([&] { return inner_->read(name); }));
  return std::unique_ptr<ObjectReader>(std::make_unique<Reader>(*this, std::move(reader)));
}

Result<ObjectInfo> PatientStore::look(const std::string& name) {
  return patiently([&] { return inner_->look(name); });
}

/// What a call that failed has removed all the same is not there for the next one.
Status PatientStore::remove(const std::string& name) {
  bool is_first = true;
  return patiently([&]() -> Status {
    Status removed = inner_->remove(name);
    const bool was_first = std::exchange(is_first, false);
    return !was_first && !removed.ok() && removed.error().code == Code::kNotFound ? Status()
                                                                                  : removed;
  });
}

}  // namespace millrace::objects
