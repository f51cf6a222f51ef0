#include "objects/memory_store.h"

#include <algorithm>
#include <utility>

namespace millrace::objects {

class MemoryStore::Writer final : public ObjectWriter {
 public:
  Writer(MemoryStore& store, std::string name) : store_(store), name_(std::move(name)) {}

  Status write(std::span<const std::byte> bytes) override {
    content_.insert(content_.end(), bytes.begin(), bytes.end());
    return {};
  }

  Status publish() override {
    store_.counters_.count(RequestKind::kPut);
    store_.counters_.bytes_written += content_.size();
    auto content = std::make_shared<const std::vector<std::byte>>(std::move(content_));
    MutexLock lock(store_.mutex_);
    store_.objects_[name_] = std::move(content);
    return {};
  }

 private:
  MemoryStore& store_;
  const std::string name_;
  std::vector<std::byte> content_;
};

class MemoryStore::Reader final : public ObjectReader {
 public:
  Reader(StoreCounters& counters, Content content)
      : counters_(counters), content_(std::move(content)) {}

  uint64_t bytes() const override { return content_->size(); }

  Status read_at(uint64_t position, std::span<std::byte> out) const override {
    if (position > content_->size() || out.size() > content_->size() - position) {
      return counters_.checked<void>(
          make_error(Code::kCorrupt, "object in memory: ends at {}, wanted {} bytes at {}",
                     content_->size(), out.size(), position));
    }
    counters_.count(RequestKind::kGet);
    counters_.bytes_read += out.size();
    std::copy_n(content_->begin() + static_cast<ptrdiff_t>(position), out.size(), out.begin());
    return {};
  }

 private:
  StoreCounters& counters_;
  const Content content_;
};

Error MemoryStore::not_found(const std::string& name) const {
  return make_error(Code::kNotFound, "{}: there is no such object", location_of(name));
}

Result<MemoryStore::Content> MemoryStore::find(const std::string& name) {
  MutexLock lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) {
    return not_found(name);
  }
  return found->second;
}

Result<std::unique_ptr<ObjectWriter>> MemoryStore::create(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, name));
}

Result<std::vector<ObjectInfo>> MemoryStore::list(const std::string& folder) {
  MILLRACE_TRY_STATUS(check_folder(folder));
  counters_.count(RequestKind::kList);
  const std::string prefix = folder.empty() ? "" : folder + "/";
  std::vector<ObjectInfo> objects;
  MutexLock lock(mutex_);
  for (auto each = objects_.lower_bound(prefix);
       each != objects_.end() && each->first.starts_with(prefix); ++each) {
    objects.push_back({each->first, each->second->size()});
  }
  return objects;
}

Result<std::unique_ptr<ObjectReader>> MemoryStore::read(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  counters_.count(RequestKind::kHead);
  MILLRACE_TRY(auto content, find(name));
  return std::unique_ptr<ObjectReader>(std::make_unique<Reader>(counters_, std::move(content)));
}

Result<ObjectInfo> MemoryStore::look(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  counters_.count(RequestKind::kHead);
  MILLRACE_TRY(const auto content, find(name));
  return ObjectInfo{name, content->size()};
}

Status MemoryStore::remove(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  counters_.count(RequestKind::kDelete);
  MutexLock lock(mutex_);
  return objects_.erase(name) == 1 ? Status{} : not_found(name);
}

}  // namespace millrace::objects
