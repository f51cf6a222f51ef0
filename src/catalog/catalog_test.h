// All catalogs there are, for tests of what every one does.
#pragma once

#include "catalog/catalog_conformance.h"
#include "catalog/memory_catalog.h"
#include "catalog/sqlite_catalog.h"
#include "io/simulated_disk.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

namespace millrace::catalog {

class MemoryPlace final : public CatalogPlace {
 public:
  Result<std::unique_ptr<Catalog>> open() override {
    return std::unique_ptr<Catalog>(std::make_unique<MemoryCatalog>(store_));
  }

 private:
  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
};

class SimulatedPlace final : public CatalogPlace {
 public:
  SimulatedPlace() { static_cast<void>(disk_.make_directories("/data")); }

  Result<std::unique_ptr<Catalog>> open() override {
    return open_sqlite(disk_, "/data/catalog.db");
  }

 private:
  io::SimulatedDisk disk_{1};
};

class RealPlace final : public CatalogPlace {
 public:
  RealPlace() { EXPECT_NE(mkdtemp(root_.data()), nullptr); }

  ~RealPlace() override {
    for (const auto& entry : io::posix_disk().list(root_).value()) {
      EXPECT_TRUE(io::posix_disk().remove(root_ + "/" + entry.name).ok());
    }
    ::rmdir(root_.c_str());
  }

  RealPlace(const RealPlace&) = delete;
  RealPlace& operator=(const RealPlace&) = delete;

  Result<std::unique_ptr<Catalog>> open() override {
    return open_sqlite(io::posix_disk(), root_ + "/catalog.db");
  }

 private:
  std::string root_ = "/tmp/millrace-catalog-XXXXXX";
};

struct Kind {
  const char* name;
  std::unique_ptr<CatalogPlace> (*make)();
};

inline const Kind kKinds[] = {
    {"Memory", []() -> std::unique_ptr<CatalogPlace> { return std::make_unique<MemoryPlace>(); }},
    {"SqliteSimulated",
     []() -> std::unique_ptr<CatalogPlace> { return std::make_unique<SimulatedPlace>(); }},
    {"SqliteReal", []() -> std::unique_ptr<CatalogPlace> { return std::make_unique<RealPlace>(); }},
};

inline std::string name_of_kind(const testing::TestParamInfo<Kind>& kind) {
  return kind.param.name;
}

class CatalogTest : public testing::TestWithParam<Kind> {
 protected:
  std::unique_ptr<Catalog> begun() {
    auto catalog = place_->open().value();
    const Status begun = catalog->begin(directory_id());
    EXPECT_TRUE(begun.ok()) << begun.error().message;
    return catalog;
  }

  /// What the next start sees.
  Contents stored() { return place_->open().value()->contents(); }

  const std::unique_ptr<CatalogPlace> place_ = GetParam().make();
};

#define EXPECT_CODE(expected, expression)                                       \
  do {                                                                          \
    const Status status_ = (expression);                                        \
    ASSERT_FALSE(status_.ok());                                                 \
    EXPECT_EQ(status_.error().code, Code::expected) << status_.error().message; \
  } while (false)

#define EXPECT_OK(expression)                             \
  do {                                                    \
    const Status status_ = (expression);                  \
    EXPECT_TRUE(status_.ok()) << status_.error().message; \
  } while (false)

}  // namespace millrace::catalog
