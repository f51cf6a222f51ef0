// Objects in memory: for tests and models.
#pragma once

#include "base/mutex.h"
#include "objects/object_store.h"

#include <map>

namespace millrace::objects {

/// Everything it promises, it promises as long as it lives. Never fails. Thread-safe.
class MemoryStore final : public ObjectStore {
 public:
  Result<std::unique_ptr<ObjectWriter>> create(const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(const std::string& folder) override;
  Result<std::unique_ptr<ObjectReader>> read(const std::string& name) override;
  Result<ObjectInfo> look(const std::string& name) override;
  Status remove(const std::string& name) override;

  std::string location_of(const std::string& name) const override { return "memory://" + name; }

 private:
  using Content = std::shared_ptr<const std::vector<std::byte>>;
  class Writer;
  class Reader;

  Result<Content> find(const std::string& name);
  Error not_found(const std::string& name) const;

  Mutex mutex_;
  std::map<std::string, Content> objects_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::objects
