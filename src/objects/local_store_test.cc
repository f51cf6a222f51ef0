#include "objects/local_store.h"

#include "bytes/buffer.h"
#include "io/simulated_disk.h"

#include <gtest/gtest.h>

namespace millrace::objects {
namespace {

std::unique_ptr<LocalStore> open_store(io::Disk& disk) {
  auto store = LocalStore::open(disk, "/data/tables", "/data/tmp");
  EXPECT_TRUE(store.ok());
  return std::move(*store);
}

Status put(LocalStore& store, const std::string& name, std::string_view text) {
  MILLRACE_TRY(auto writer, store.create(name));
  MILLRACE_TRY_STATUS(writer->write(bytes::as_bytes(text.substr(0, 2))));
  MILLRACE_TRY_STATUS(writer->write(bytes::as_bytes(text.substr(2))));
  return writer->publish();
}

TEST(LocalStore, APublishedObjectSurvivesEveryPowerCutWhole) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    io::SimulatedDisk disk(seed);
    {
      auto store = open_store(disk);
      ASSERT_TRUE(put(*store, "t/kept", std::string(3000, 'k')).ok());
      disk.set_faults({.off_at = disk.operations() + 1 + seed % 7});
      static_cast<void>(put(*store, "t/late", std::string(3000, 'l')));
    }
    disk.power_cut();
    auto store = open_store(disk);
    EXPECT_EQ(store->look("t/kept")->bytes, 3000U) << seed;
    if (const auto late = store->look("t/late"); late.ok()) {
      const auto bytes = disk.read_file(store->location_of("t/late"));
      EXPECT_EQ(bytes::as_text(*bytes), std::string(3000, 'l')) << seed;
    }
    EXPECT_TRUE(disk.list("/data/tmp")->empty()) << seed;
  }
}

TEST(LocalStore, AViewMakesAndRemovesNothing) {
  io::SimulatedDisk disk(1);
  EXPECT_TRUE(LocalStore::view(disk, "/data/tables")->list("")->empty());
  EXPECT_FALSE(disk.exists("/data").value());
  ASSERT_TRUE(put(*open_store(disk), "t/a", "bytes").ok());
  ASSERT_TRUE(disk.replace_file("/data/tmp/1.object", bytes::as_bytes("half")).ok());
  const auto view = LocalStore::view(disk, "/data/tables");
  EXPECT_EQ(view->list("")->size(), 1U);
  EXPECT_EQ(view->create("t/b").error().code, Code::kReadOnly);
  EXPECT_TRUE(disk.exists("/data/tmp/1.object").value());
}

TEST(LocalStore, MovingOutNeverLosesTheBytes) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    io::SimulatedDisk disk(seed);
    {
      auto store = open_store(disk);
      ASSERT_TRUE(put(*store, "t/one", "content").ok());
      disk.set_faults({.off_at = disk.operations() + 1 + seed % 4});
      static_cast<void>(store->move_out("t/one", "/data/quarantine/one"));
    }
    disk.power_cut();
    const bool is_there = disk.exists("/data/tables/t/one").value();
    const bool is_out = disk.exists("/data/quarantine/one").value();
    EXPECT_TRUE(is_there || is_out) << seed;
  }
}

TEST(LocalStore, AFullDiskIsAnErrorThatHeals) {
  io::SimulatedDisk disk(1);
  auto store = open_store(disk);
  disk.set_faults({.capacity_bytes = 4});
  EXPECT_EQ(put(*store, "x", "more than four").error().code, Code::kOverloaded);
  disk.set_faults({});
  EXPECT_TRUE(put(*store, "x", "more than four").ok());
}

}  // namespace
}  // namespace millrace::objects
