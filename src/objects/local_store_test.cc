#include "objects/local_store.h"

#include "bytes/buffer.h"
#include "io/simulated_disk.h"

#include <gtest/gtest.h>

#include <array>

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

TEST(LocalStore, AnObjectAppearsWholeWhenPublished) {
  io::SimulatedDisk disk(1);
  auto store = open_store(disk);
  auto writer = store->create("a/b/c.parquet");
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->write(bytes::as_bytes("hello")).ok());
  EXPECT_TRUE(store->list("")->empty());
  EXPECT_EQ(store->look("a/b/c.parquet").error().code, Code::kNotFound);
  ASSERT_TRUE((*writer)->publish().ok());
  EXPECT_EQ(store->look("a/b/c.parquet")->bytes, 5U);
  const auto bytes = disk.read_file(store->location_of("a/b/c.parquet"));
  EXPECT_EQ(bytes::as_text(*bytes), "hello");
}

TEST(LocalStore, WhatIsReadStaysThoughItsNameIsGone) {
  io::SimulatedDisk disk(1);
  auto store = open_store(disk);
  EXPECT_EQ(store->read("a/b").error().code, Code::kNotFound);
  ASSERT_TRUE(put(*store, "a/b", "hello").ok());
  const auto reader = store->read("a/b");
  ASSERT_TRUE(reader.ok());
  ASSERT_TRUE(store->remove("a/b").ok());
  EXPECT_EQ((*reader)->bytes(), 5U);
  std::array<std::byte, 3> part{};
  ASSERT_TRUE((*reader)->read_at(2, part).ok());
  EXPECT_EQ(bytes::as_text(part), "llo");
  EXPECT_EQ((*reader)->read_at(3, part).error().code, Code::kCorrupt);
}

TEST(LocalStore, OneThatWasNotPublishedLeavesNothing) {
  io::SimulatedDisk disk(1);
  auto store = open_store(disk);
  {
    auto writer = store->create("x");
    ASSERT_TRUE((*writer)->write(bytes::as_bytes("hello")).ok());
  }
  EXPECT_TRUE(disk.list("/data/tmp")->empty());
  EXPECT_TRUE(store->list("")->empty());
}

TEST(LocalStore, ListsBelowAFolderInOrder) {
  io::SimulatedDisk disk(1);
  auto store = open_store(disk);
  ASSERT_TRUE(put(*store, "b/2", "two").ok());
  ASSERT_TRUE(put(*store, "b/1", "one!").ok());
  ASSERT_TRUE(put(*store, "c", "sea").ok());
  const auto below = store->list("b");
  ASSERT_EQ(below->size(), 2U);
  EXPECT_EQ((*below)[0].name, "b/1");
  EXPECT_EQ((*below)[0].bytes, 4U);
  EXPECT_EQ(store->list("")->size(), 3U);
  EXPECT_TRUE(store->list("none")->empty());
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
