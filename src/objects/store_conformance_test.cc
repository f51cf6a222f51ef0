#include "objects/store_conformance_test.h"

#include "bytes/buffer.h"
#include "io/simulated_disk.h"
#include "objects/faulty_store.h"
#include "objects/local_store.h"
#include "objects/memory_store.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

namespace millrace::objects {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::byte> content_of(size_t size, uint8_t seed) {
  constexpr size_t kBlock = 4099;  // prime: no part or page begins alike
  std::vector<std::byte> content(size);
  uint32_t state = seed * 2'654'435'761U + 1;
  for (size_t i = 0; i < std::min(size, kBlock); ++i) {
    state = state * 1'664'525U + 1'013'904'223U;
    content[i] = static_cast<std::byte>(state >> 24);
  }
  for (size_t done = kBlock; done < size; done += kBlock) {
    std::memcpy(content.data() + done, content.data(), std::min(kBlock, size - done));
    const uint64_t block = done / kBlock;
    std::memcpy(content.data() + done, &block, std::min(sizeof block, size - done));
  }
  return content;
}

Status put(ObjectStore& store, const std::string& name, std::span<const std::byte> content,
           size_t piece) {
  MILLRACE_TRY(const auto writer, store.create(name));
  while (!content.empty()) {
    const auto part = content.first(std::min(piece, content.size()));
    MILLRACE_TRY_STATUS(writer->write(part));
    content = content.subspan(part.size());
  }
  return writer->publish();
}

Status put(ObjectStore& store, const std::string& name, std::string_view text) {
  return put(store, name, bytes::as_bytes(text));
}

Result<std::vector<std::byte>> get(ObjectStore& store, const std::string& name) {
  MILLRACE_TRY(const auto reader, store.read(name));
  std::vector<std::byte> content(reader->bytes());
  MILLRACE_TRY_STATUS(reader->read_at(0, content));
  return content;
}

Result<std::string> get_text(ObjectStore& store, const std::string& name) {
  MILLRACE_TRY(const auto content, get(store, name));
  return std::string(bytes::as_text(content));
}

std::vector<std::string> names_of(ObjectStore& store, const std::string& folder) {
  std::vector<std::string> names;
  const auto objects = store.list(folder);
  EXPECT_TRUE(objects.ok()) << objects.error().message;
  if (objects.ok()) {
    for (const auto& object : *objects) {
      names.push_back(object.name);
    }
  }
  return names;
}

namespace {

/// A directory of its own, gone with the place.
class LocalPlace final : public StorePlace {
 public:
  LocalPlace() {
    std::string path = (std::filesystem::temp_directory_path() / "millrace-store-XXXXXX").string();
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    root_ = path;
    auto opened = LocalStore::open(io::posix_disk(), root_ + "/objects", root_ + "/tmp");
    EXPECT_TRUE(opened.ok());
    store_ = std::move(*opened);
  }

  ~LocalPlace() override {
    store_.reset();
    std::filesystem::remove_all(root_);
  }

  LocalPlace(const LocalPlace&) = delete;
  LocalPlace& operator=(const LocalPlace&) = delete;

  ObjectStore& store() override { return *store_; }

  std::vector<std::string> leftovers() override {
    std::vector<std::string> names;
    for (const auto& entry : *io::posix_disk().list(root_ + "/tmp")) {
      names.push_back(entry.name);
    }
    return names;
  }

 private:
  std::string root_;
  std::unique_ptr<LocalStore> store_;
};

class SimulatedPlace final : public StorePlace {
 public:
  SimulatedPlace() : store_(*LocalStore::open(disk_, "/data/objects", "/data/tmp")) {}

  ObjectStore& store() override { return *store_; }

  std::vector<std::string> leftovers() override {
    std::vector<std::string> names;
    for (const auto& entry : *disk_.list("/data/tmp")) {
      names.push_back(entry.name);
    }
    return names;
  }

 private:
  io::SimulatedDisk disk_{1};
  std::unique_ptr<LocalStore> store_;
};

class MemoryPlace final : public StorePlace {
 public:
  ObjectStore& store() override { return store_; }

  std::vector<std::string> leftovers() override { return {}; }

 private:
  MemoryStore store_;
};

class FaultlessPlace final : public StorePlace {
 public:
  ObjectStore& store() override { return store_; }

  std::vector<std::string> leftovers() override { return {}; }

 private:
  MemoryStore memory_;
  FaultyStore store_{memory_, 1};
};

template <typename Place>
std::unique_ptr<StorePlace> make() {
  return std::make_unique<Place>();
}

INSTANTIATE_TEST_SUITE_P(All, StoreConformance,
                         ::testing::Values(StoreKind{"Local", &make<LocalPlace>},
                                           StoreKind{"LocalSimulated", &make<SimulatedPlace>},
                                           StoreKind{"Memory", &make<MemoryPlace>},
                                           StoreKind{"Faulty", &make<FaultlessPlace>}),
                         kind_name);

constexpr size_t kMiB = size_t{1} << 20;

TEST_P(StoreConformance, EverySizeComesBackByteForByte) {
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{4095}, size_t{4096}, size_t{4097}, 5 * kMiB - 1, 5 * kMiB,
        5 * kMiB + 1, 10 * kMiB - 1, 10 * kMiB, 10 * kMiB + 1, 20 * kMiB}) {
    const auto content = content_of(size);
    const std::string name = fmt::format("sizes/{}", size);
    const Status written = put(store(), name, content, kMiB + 13);
    ASSERT_TRUE(written.ok()) << size << ": " << written.error().message;
    EXPECT_EQ(store().look(name)->bytes, size);
    const auto found = get(store(), name);
    ASSERT_TRUE(found.ok()) << size << ": " << found.error().message;
    EXPECT_TRUE(*found == content) << size;
  }
}

TEST_P(StoreConformance, LargeObjectsComeBackByteForByte) {
  for (const size_t size : {64 * kMiB, 64 * kMiB + 1}) {
    const auto content = content_of(size);
    const Status written = put(store(), "large", content, 7 * kMiB);
    ASSERT_TRUE(written.ok()) << written.error().message;
    const auto found = get(store(), "large");
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_TRUE(*found == content) << size;
  }
  EXPECT_THAT(place().leftovers(), IsEmpty());
}

TEST_P(StoreConformance, AnObjectAppearsWholeWhenPublished) {
  const auto writer = store().create("a/b/c.parquet");
  ASSERT_TRUE(writer.ok());
  const auto content = content_of(21 * kMiB);  // in a bucket two parts are there by now
  ASSERT_TRUE((*writer)->write(content).ok());
  EXPECT_THAT(names_of(store(), ""), IsEmpty());
  EXPECT_EQ(store().look("a/b/c.parquet").error().code, Code::kNotFound);
  ASSERT_TRUE((*writer)->publish().ok());
  EXPECT_THAT(names_of(store(), ""), ElementsAre("a/b/c.parquet"));
  EXPECT_EQ(store().look("a/b/c.parquet")->name, "a/b/c.parquet");
  EXPECT_TRUE(*get(store(), "a/b/c.parquet") == content);
}

TEST_P(StoreConformance, OneThatWasNotPublishedLeavesNothing) {
  for (const size_t size : {size_t{0}, size_t{5}, 10 * kMiB, 21 * kMiB}) {
    const auto writer = store().create("not/published");
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->write(content_of(size)).ok());
  }
  EXPECT_EQ(store().look("not/published").error().code, Code::kNotFound);
  EXPECT_THAT(names_of(store(), ""), IsEmpty());
  EXPECT_THAT(place().leftovers(), IsEmpty());
}

TEST_P(StoreConformance, AWriterThatIsGivenUpLeavesTheObjectAsItWas) {
  ASSERT_TRUE(put(store(), "kept", "old").ok());
  for (const size_t size : {size_t{5}, 21 * kMiB}) {
    const auto writer = store().create("kept");
    ASSERT_TRUE((*writer)->write(content_of(size)).ok());
  }
  EXPECT_EQ(*get_text(store(), "kept"), "old");
  EXPECT_THAT(place().leftovers(), IsEmpty());
}

TEST_P(StoreConformance, ANameWrittenAgainHasTheNewBytesWhole) {
  for (const size_t size : {size_t{100}, size_t{7}, 11 * kMiB, size_t{0}, size_t{4096}}) {
    const auto content = content_of(size, static_cast<uint8_t>(size % 251));
    ASSERT_TRUE(put(store(), "again", content).ok());
    EXPECT_EQ(store().look("again")->bytes, size);
    EXPECT_TRUE(*get(store(), "again") == content) << size;
  }
  EXPECT_THAT(names_of(store(), ""), ElementsAre("again"));
}

TEST_P(StoreConformance, TheSameBytesMayBeWrittenAgain) {
  ASSERT_TRUE(put(store(), "again", "same").ok());
  ASSERT_TRUE(put(store(), "again", "same").ok());
  EXPECT_EQ(*get_text(store(), "again"), "same");
}

TEST_P(StoreConformance, WritersOfOtherNamesDoNotMeet) {
  constexpr uint8_t kWriters = 8;
  constexpr int kRounds = 5;
  std::vector<std::thread> threads;
  threads.reserve(kWriters);
  std::array<std::string, kWriters> errors;
  for (uint8_t i = 0; i < kWriters; ++i) {
    threads.emplace_back([this, i, &error = errors.at(i)] {
      for (int round = 0; round < kRounds; ++round) {
        const auto content = content_of(size_t{100'000} + i, i);
        const std::string name = fmt::format("many/{}/{}", i, round);
        if (const Status status = put(store(), name, content, 30'000); !status.ok()) {
          error = status.error().message;
        } else if (const auto found = get(store(), name); !found.ok() || *found != content) {
          error = "other bytes in " + name;
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (const auto& error : errors) {
    EXPECT_EQ(error, "");
  }
  EXPECT_EQ(names_of(store(), "many").size(), kWriters * kRounds);
}

TEST_P(StoreConformance, ReadsAnyRangeAndNothingBeyondTheEnd) {
  constexpr size_t kSize = 10'000;
  const auto content = content_of(kSize);
  ASSERT_TRUE(put(store(), "ranges", content).ok());
  const auto reader = store().read("ranges");
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->bytes(), kSize);
  const auto read = [&](uint64_t position, size_t size) -> Status {
    std::vector<std::byte> out(size);
    MILLRACE_TRY_STATUS((*reader)->read_at(position, out));
    EXPECT_TRUE(std::ranges::equal(out, std::span(content).subspan(position, size)))
        << size << " bytes at " << position;
    return {};
  };
  for (const auto [position, size] : {std::pair<uint64_t, size_t>{0, 1},
                                      {0, kSize},
                                      {1, kSize - 1},
                                      {kSize - 1, 1},
                                      {kSize - 2, 1},
                                      {4095, 4098},
                                      {0, 0},
                                      {kSize, 0}}) {
    const Status status = read(position, size);
    EXPECT_TRUE(status.ok()) << size << " bytes at " << position << ": " << status.error().message;
  }
  for (const auto [position, size] : {std::pair<uint64_t, size_t>{0, kSize + 1},
                                      {kSize - 1, 2},
                                      {kSize, 1},
                                      {kSize + 1, 0},
                                      {kSize + 1, 1},
                                      {UINT64_MAX, 1},
                                      {UINT64_MAX - 1, 2}}) {
    std::vector<std::byte> out(size);
    const Status status = (*reader)->read_at(position, out);
    ASSERT_FALSE(status.ok()) << size << " bytes at " << position;
    EXPECT_EQ(status.error().code, Code::kCorrupt) << status.error().message;
  }
}

TEST_P(StoreConformance, AReaderIsSharedByThreads) {
  const auto content = content_of(kMiB);
  ASSERT_TRUE(put(store(), "shared", content).ok());
  const auto reader = store().read("shared");
  ASSERT_TRUE(reader.ok());
  constexpr size_t kReaders = 4;
  std::vector<std::thread> threads;
  threads.reserve(kReaders);
  std::atomic<int> wrong{0};
  for (size_t i = 0; i < kReaders; ++i) {
    threads.emplace_back([&, i] {
      std::vector<std::byte> out(10'000);
      for (size_t position = i * 1000; position + out.size() <= kMiB; position += 100'000) {
        if (!(*reader)->read_at(position, out).ok() ||
            !std::ranges::equal(out, std::span(content).subspan(position, out.size()))) {
          ++wrong;
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
}

TEST_P(StoreConformance, ListsBelowAFolderInOrderOfBytes) {
  // '-' and '.' are before '/', '0' is after it, letters of two bytes are last.
  for (const std::string name :
       {"b/2", "b/1", "b/10", "b/é", "b/Z", "b/a/x", "b/a-1/x", "b/a.b", "b/a0", "c"}) {
    ASSERT_TRUE(put(store(), name, name).ok());
  }
  EXPECT_THAT(names_of(store(), "b"),
              ElementsAre("b/1", "b/10", "b/2", "b/Z", "b/a-1/x", "b/a.b", "b/a/x", "b/a0", "b/é"));
  EXPECT_EQ(names_of(store(), "").size(), 10U);
  EXPECT_THAT(names_of(store(), "b/a"), ElementsAre("b/a/x"));
  EXPECT_THAT(names_of(store(), "none"), IsEmpty());
  EXPECT_EQ((*store().list("b"))[1].bytes, 4U);
}

TEST_P(StoreConformance, NamesThatBeginAlikeAreNotConfused) {
  for (const std::string name : {"a-1/x", "a/b", "a.b/x", "ab/x", "a b/x", "aa", "b/a/x"}) {
    ASSERT_TRUE(put(store(), name, name).ok());
  }
  EXPECT_THAT(names_of(store(), "a"), ElementsAre("a/b"));
  EXPECT_THAT(names_of(store(), "a-"), IsEmpty());
  EXPECT_THAT(names_of(store(), "aa"), IsEmpty());  // an object, no folder
  EXPECT_THAT(names_of(store(), "b"), ElementsAre("b/a/x"));
  for (const std::string name : {"a", "a-", "a-1", "b/a", "aa/x", "A/b"}) {
    EXPECT_EQ(store().look(name).error().code, Code::kNotFound) << name;
    EXPECT_EQ(store().read(name).error().code, Code::kNotFound) << name;
    EXPECT_EQ(store().remove(name).error().code, Code::kNotFound) << name;
  }
  ASSERT_TRUE(store().remove("a/b").ok());
  EXPECT_THAT(names_of(store(), "a"), IsEmpty());
  EXPECT_EQ(store().look("a").error().code, Code::kNotFound);  // nor is an empty folder an object
  EXPECT_EQ(store().remove("a").error().code, Code::kNotFound);
  EXPECT_THAT(names_of(store(), ""), ElementsAre("a b/x", "a-1/x", "a.b/x", "aa", "ab/x", "b/a/x"));
}

TEST_P(StoreConformance, NamesAreTakenAsTheyAre) {
  const std::vector<std::string> names = {"n/!$&'()*,;=@", "n/%",      "n/%2F",   "n/+",
                                          "n/a b",         "n/a%20b",  "n/a+b",   "n/a:b",
                                          "n/a?b#c",       "n/~",      "n/\"<>&", "n/.hidden",
                                          "n/..dots",      "n/Straße", "n/日本",  "n/\U0001F40E"};
  for (const auto& name : names) {
    const Status written = put(store(), name, name);
    ASSERT_TRUE(written.ok()) << name << ": " << written.error().message;
  }
  auto wanted = names;
  std::ranges::sort(wanted);
  EXPECT_EQ(names_of(store(), "n"), wanted);
  for (const auto& name : names) {
    EXPECT_EQ(*get_text(store(), name), name);
    EXPECT_TRUE(store().remove(name).ok()) << name;
  }
  EXPECT_THAT(names_of(store(), ""), IsEmpty());
}

TEST_P(StoreConformance, WhatIsNoNameIsRefused) {
  ASSERT_TRUE(put(store(), "a/b", "kept").ok());
  for (const std::string& name : std::vector<std::string>{
           "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "a\nb",
           "a\\b", std::string("a\0b", 3), "a\x7f", std::string(kMaxNameBytes + 1, 'a')}) {
    EXPECT_EQ(store().create(name).error().code, Code::kInvalid) << name;
    EXPECT_EQ(store().read(name).error().code, Code::kInvalid) << name;
    EXPECT_EQ(store().look(name).error().code, Code::kInvalid) << name;
    EXPECT_EQ(store().remove(name).error().code, Code::kInvalid) << name;
    if (!name.empty()) {
      EXPECT_EQ(store().list(name).error().code, Code::kInvalid) << name;
    }
  }
  EXPECT_THAT(names_of(store(), ""), ElementsAre("a/b"));
}

TEST_P(StoreConformance, ALongNameIsTaken) {
  std::string name;
  while (name.size() + 181 <= kMaxNameBytes) {
    name += std::string(180, 'n') + "/";
  }
  name += std::string(kMaxNameBytes - name.size(), 'm');
  ASSERT_EQ(name.size(), kMaxNameBytes);
  const Status written = put(store(), name, "long");
  ASSERT_TRUE(written.ok()) << written.error().message;
  EXPECT_THAT(names_of(store(), ""), ElementsAre(name));
  EXPECT_EQ(*get_text(store(), name), "long");
}

TEST_P(StoreConformance, WhatIsRemovedIsGone) {
  ASSERT_TRUE(put(store(), "r/one", "one").ok());
  ASSERT_TRUE(put(store(), "r/two", "two").ok());
  ASSERT_TRUE(store().remove("r/one").ok());
  EXPECT_EQ(store().remove("r/one").error().code, Code::kNotFound);
  EXPECT_EQ(store().look("r/one").error().code, Code::kNotFound);
  EXPECT_EQ(store().read("r/one").error().code, Code::kNotFound);
  EXPECT_THAT(names_of(store(), "r"), ElementsAre("r/two"));
  ASSERT_TRUE(put(store(), "r/one", "again").ok());
  EXPECT_EQ(*get_text(store(), "r/one"), "again");
}

TEST_P(StoreConformance, AReaderOfWhatIsRemovedGetsItsBytesOrNotFound) {
  ASSERT_TRUE(put(store(), "a/b", "hello").ok());
  const auto reader = store().read("a/b");
  ASSERT_TRUE(reader.ok());
  ASSERT_TRUE(store().remove("a/b").ok());
  EXPECT_EQ((*reader)->bytes(), 5U);
  std::array<std::byte, 3> part{};
  const Status read = (*reader)->read_at(2, part);
  if (GetParam().keeps_for_readers) {
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(bytes::as_text(part), "llo");
    ASSERT_TRUE(put(store(), "a/b", "HELLO").ok());
    ASSERT_TRUE((*reader)->read_at(2, part).ok());
    EXPECT_EQ(bytes::as_text(part), "llo");
  } else {
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code, Code::kNotFound) << read.error().message;
  }
}

TEST_P(StoreConformance, CountsWhatItWasAsked) {
  const auto content = content_of(1000);
  ASSERT_TRUE(put(store(), "c/one", content).ok());
  const auto reader = store().read("c/one");
  std::vector<std::byte> out(300);
  ASSERT_TRUE((*reader)->read_at(5, out).ok());
  ASSERT_TRUE(store().look("c/one").ok());
  ASSERT_TRUE(store().list("c").ok());
  EXPECT_FALSE(store().look("c/none").ok());
  EXPECT_FALSE(store().look("").ok());
  const StoreCounters& counters = store().counters();
  EXPECT_EQ(counters.of(RequestKind::kPut), 1U);
  EXPECT_EQ(counters.of(RequestKind::kPart), 0U);
  EXPECT_EQ(counters.of(RequestKind::kGet), 1U);
  EXPECT_EQ(counters.of(RequestKind::kHead), 3U);
  EXPECT_EQ(counters.of(RequestKind::kList), 1U);
  EXPECT_EQ(counters.of(RequestKind::kDelete), 0U);
  EXPECT_EQ(counters.bytes_written, 1000U);
  EXPECT_EQ(counters.bytes_read, 300U);
  EXPECT_EQ(counters.failures, 0U);
  ASSERT_TRUE(store().remove("c/one").ok());
  EXPECT_EQ(counters.of(RequestKind::kDelete), 1U);
  EXPECT_FALSE((*reader)->read_at(900, out).ok());
  EXPECT_EQ(counters.failures, 1U);
}

TEST(StoreCounters, ThePriceOfATerabyte) {
  StoreCounters counters;
  EXPECT_EQ(cost_per_terabyte(counters).requests, 0);
  constexpr uint64_t kObjects = 1'000;
  counters.count(RequestKind::kPut, kObjects);
  counters.count(RequestKind::kGet, kObjects);
  counters.count(RequestKind::kDelete, kObjects);
  counters.bytes_written = kObjects * 50'000'000;  // a twentieth of a terabyte
  const WriteCost cost = cost_per_terabyte(counters);
  EXPECT_DOUBLE_EQ(cost.requests, 60'000);
  EXPECT_DOUBLE_EQ(cost.dollars, 20 * (0.005 + 0.0004));
  EXPECT_DOUBLE_EQ(cost_per_terabyte(counters, {.write = 1, .read = 0}).dollars, 20);
  counters.count(RequestKind::kPart, kObjects);
  counters.count(RequestKind::kList, kObjects);
  counters.count(RequestKind::kHead, kObjects);
  EXPECT_DOUBLE_EQ(cost_per_terabyte(counters).dollars, 20 * (3 * 0.005 + 2 * 0.0004));
}

}  // namespace
}  // namespace millrace::objects
