#include "objects/local_store.h"

#include "bytes/buffer.h"
#include "io/forwarding_disk.h"
#include "io/simulated_disk.h"
#include "io/test_bytes.h"

#include <gtest/gtest.h>

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <span>
#include <utility>
#include <vector>

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

TEST(LocalStore, AFolderThatWasThereIsAsDurableAsTheObjectInIt) {
  // Made by another thread that has not synced what is around it yet, or by a process that was
  // killed before it did.
  for (uint64_t seed = 0; seed < 20; ++seed) {
    io::SimulatedDisk disk(seed);
    ASSERT_TRUE(disk.make_directories("/data").ok());
    ASSERT_TRUE(disk.make_directory("/data/tables").ok());
    {
      auto store = open_store(disk);
      ASSERT_TRUE(disk.make_directory("/data/tables/a").ok());
      ASSERT_TRUE(disk.make_directory("/data/tables/a/b").ok());
      ASSERT_TRUE(put(*store, "a/b/kept", "content").ok());
      ASSERT_TRUE(put(*store, "a/c/gone", "content").ok());
      ASSERT_TRUE(store->remove("a/c/gone").ok());
      ASSERT_TRUE(disk.make_directory("/data/tables/a/c").ok());  // its name was known
      ASSERT_TRUE(put(*store, "a/c/more", "content").ok());
    }
    disk.power_cut();
    auto store = open_store(disk);
    EXPECT_TRUE(store->look("a/b/kept").ok()) << seed;
    EXPECT_TRUE(store->look("a/c/more").ok()) << seed;
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

/// Notes how objects are read.
class NotedDisk final : public io::ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;
  using io::Disk::open;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode,
                                         io::Access access) override {
    class NotedFile final : public io::ForwardingFile {
     public:
      NotedFile(std::unique_ptr<io::File> file, std::vector<size_t>& reads)
          : ForwardingFile(std::move(file)), reads_(reads) {}

      Result<size_t> read_at(uint64_t position, io::MutableBytes out) const override {
        reads_.push_back(out.size());
        return ForwardingFile::read_at(position, out);
      }

     private:
      std::vector<size_t>& reads_;
    };

    MILLRACE_TRY(auto file, ForwardingDisk::open(path, mode, access));
    if (mode != io::OpenMode::kRead) {
      return file;
    }
    accesses.push_back(access);
    return std::unique_ptr<io::File>(std::make_unique<NotedFile>(std::move(file), reads));
  }

  std::vector<io::Access> accesses;
  std::vector<size_t> reads;
};

TEST(LocalStore, LargeReadsComeInPiecesThatWritersCanWaitFor) {
  constexpr size_t kPiece = size_t{128} << 10;
  io::SimulatedDisk simulated(1);
  NotedDisk disk(simulated);
  auto store = open_store(disk);
  const auto content = io::random_bytes(4 * kPiece, 1);
  ASSERT_TRUE(put(*store, "t/a", bytes::as_text(content)).ok());
  const auto reader = store->read("t/a");
  EXPECT_EQ(disk.accesses.back(), io::Access::kNoReadAhead);
  for (const size_t size : {size_t{0}, kPiece - 1, kPiece, kPiece + 1, 3 * kPiece}) {
    disk.reads.clear();
    std::vector<std::byte> out(size);
    ASSERT_TRUE((*reader)->read_at(5, out).ok());
    EXPECT_TRUE(std::ranges::equal(out, std::span(content).subspan(5, size)));
    EXPECT_EQ(disk.reads.size(), (size + kPiece - 1) / kPiece);
    EXPECT_TRUE(std::ranges::all_of(disk.reads, [](size_t each) { return each <= kPiece; }));
  }
}

TEST(LocalStore, AFolderGoesWithItsLastObject) {
  io::SimulatedDisk disk(1);
  auto store = open_store(disk);
  for (const char* name : {"a/b/one", "a/b/two", "a/three"}) {
    ASSERT_TRUE(put(*store, name, "bytes").ok());
  }
  ASSERT_TRUE(store->remove("a/b/one").ok());
  EXPECT_TRUE(disk.exists("/data/tables/a/b").value());
  ASSERT_TRUE(store->remove("a/b/two").ok());
  EXPECT_FALSE(disk.exists("/data/tables/a/b").value());
  ASSERT_TRUE(store->move_out("a/three", "/data/quarantine/three").ok());
  EXPECT_FALSE(disk.exists("/data/tables/a").value());
  EXPECT_TRUE(disk.exists("/data/tables").value());
  EXPECT_TRUE(put(*store, "a", "an object of the folder's name").ok());
}

/// Calls something, once, before an operation on a path.
class HookedDisk final : public io::ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;

  Status rename(const std::string& from, const std::string& to) override {
    call(before_rename);
    return ForwardingDisk::rename(from, to);
  }

  Status sync_directory(const std::string& path) override {
    call(before_sync);
    return ForwardingDisk::sync_directory(path);
  }

  std::function<void()> before_rename;
  std::function<void()> before_sync;

 private:
  static void call(std::function<void()>& hook) {
    if (const auto once = std::exchange(hook, nullptr)) {
      once();
    }
  }
};

/// On the machine's disk: the simulated one makes a file whose folder is gone.
class LocalStoreRaces : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(root_.data()), nullptr);
    store_ = LocalStore::open(disk_, root_ + "/tables", root_ + "/tmp").value();
  }

  void TearDown() override { std::filesystem::remove_all(root_); }

  bool is_there(const std::string& name) { return disk_.exists(store_->location_of(name)).value(); }

  std::string root_ = "/tmp/millrace-store-XXXXXX";
  HookedDisk disk_{io::posix_disk()};
  std::unique_ptr<LocalStore> store_;
};

TEST_F(LocalStoreRaces, AFolderThatGoesTakesNoNewObjectAlong) {
  ASSERT_TRUE(put(*store_, "a/b/last", "bytes").ok());
  disk_.before_rename = [&] {
    EXPECT_TRUE(store_->remove("a/b/last").ok());
    EXPECT_FALSE(is_there("a"));
  };
  const Status made = put(*store_, "a/b/new", "bytes");
  EXPECT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(store_->look("a/b/new")->bytes, 5U);
}

TEST_F(LocalStoreRaces, AFolderThatSomebodyElseTookIsMadeAgain) {
  ASSERT_TRUE(put(*store_, "a/b/one", "bytes").ok());
  std::filesystem::remove_all(root_ + "/tables/a");
  EXPECT_TRUE(put(*store_, "a/b/two", "bytes").ok());
  EXPECT_TRUE(is_there("a/b/two"));
}

TEST_F(LocalStoreRaces, TheLastTwoObjectsOfAFolderGoAtOnce) {
  ASSERT_TRUE(put(*store_, "a/b/one", "bytes").ok());
  ASSERT_TRUE(put(*store_, "a/b/two", "bytes").ok());
  disk_.before_sync = [&] {
    EXPECT_TRUE(store_->remove("a/b/two").ok());
    EXPECT_FALSE(is_there("a"));
  };
  const Status removed = store_->remove("a/b/one");
  EXPECT_TRUE(removed.ok()) << removed.error().message;
}

TEST_F(LocalStoreRaces, AnObjectThatLostItsTemporaryFileIsAnError) {
  disk_.before_rename = [&] { EXPECT_TRUE(disk_.remove(root_ + "/tmp/1.object").ok()); };
  EXPECT_EQ(put(*store_, "a", "bytes").error().code, Code::kNotFound);
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
