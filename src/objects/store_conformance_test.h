// What every object store must do (store_conformance_test.cc), and what a kind of store brings
// along to be asked it.
#pragma once

#include "objects/object_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace millrace::objects {

/// A store of its own, empty.
class StorePlace {
 public:
  virtual ~StorePlace() = default;
  virtual ObjectStore& store() = 0;
  /// What writers that were not published left behind, outside of the objects; empty: nothing.
  virtual std::vector<std::string> leftovers() = 0;
};

struct StoreKind {
  std::string name;
  std::unique_ptr<StorePlace> (*make)() = nullptr;
  bool keeps_for_readers = true;  // the bytes of what is removed or written again meanwhile
};

inline std::ostream& operator<<(std::ostream& out, const StoreKind& kind) {
  return out << kind.name;
}

class StoreConformance : public ::testing::TestWithParam<StoreKind> {
 protected:
  StoreConformance() : place_(GetParam().make()) {}

  ObjectStore& store() { return place_->store(); }

  StorePlace& place() { return *place_; }

 private:
  std::unique_ptr<StorePlace> place_;
};

inline std::string kind_name(const ::testing::TestParamInfo<StoreKind>& kind) {
  return kind.param.name;
}

/// Bytes in which no two places look alike; `seed` < 256 tells contents apart.
std::vector<std::byte> content_of(size_t size, uint8_t seed = 1);

/// Writes in pieces of `piece` bytes and publishes.
Status put(ObjectStore& store, const std::string& name, std::span<const std::byte> content,
           size_t piece = SIZE_MAX);
Status put(ObjectStore& store, const std::string& name, std::string_view text);

/// All bytes of an object.
Result<std::vector<std::byte>> get(ObjectStore& store, const std::string& name);
Result<std::string> get_text(ObjectStore& store, const std::string& name);

/// Names below a folder, as listed.
std::vector<std::string> names_of(ObjectStore& store, const std::string& folder);

}  // namespace millrace::objects
