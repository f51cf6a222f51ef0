#include "objects/s3_store.h"

#include "bytes/buffer.h"
#include "io/simulated_disk.h"
#include "objects/cached_store.h"
#include "objects/store_conformance_test.h"
#include "objects/test_s3_server.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <thread>

namespace millrace::objects {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr size_t kMiB = size_t{1} << 20;

std::unique_ptr<S3Server>& started_server() {
  static std::unique_ptr<S3Server> server;
  return server;
}

/// One for all tests here, started by the first that needs it.
S3Server& server_for_all() {
  if (!started_server()) {
    auto started = S3Server::start();
    if (!started.ok()) {
      ADD_FAILURE() << started.error().message;
      std::abort();
    }
    started_server() = std::move(*started);
  }
  return *started_server();
}

S3StoreOptions options_of(const S3Server& server, std::string prefix) {
  S3StoreOptions options;
  options.endpoint = server.endpoint();
  options.scheme = "http";
  options.region = "us-east-1";
  options.bucket = S3Server::kBucket;
  options.prefix = std::move(prefix);
  options.access_key = S3Server::kAccessKey;
  options.secret_key = S3Server::kSecretKey;
  return options;
}

class EndOfAll final : public ::testing::Environment {
 public:
  void TearDown() override {
    S3Store::finish();
    if (started_server()) {  // a store was used
      const auto late = S3Store::open(options_of(*started_server(), ""));
      EXPECT_EQ((*late)->look("a").error().code, Code::kInternal);
      EXPECT_EQ((*late)->create("a").error().code, Code::kInternal);
    }
    started_server().reset();
  }
};

const auto* const kEndOfAll = ::testing::AddGlobalTestEnvironment(new EndOfAll);

std::unique_ptr<S3Store> open_store(const S3StoreOptions& options) {
  auto store = S3Store::open(options);
  EXPECT_TRUE(store.ok()) << store.error().message;
  return std::move(*store);
}

std::string new_prefix() {
  static std::atomic<int> number{0};
  return fmt::format("store-{}/of tests", ++number);
}

class S3Place final : public StorePlace {
 public:
  ObjectStore& store() override { return *store_; }

  std::vector<std::string> leftovers() override { return server_for_all().unfinished_uploads(); }

 private:
  const std::unique_ptr<S3Store> store_ = open_store(options_of(server_for_all(), new_prefix()));
};

std::unique_ptr<StorePlace> make_place() {
  return std::make_unique<S3Place>();
}

INSTANTIATE_TEST_SUITE_P(All, StoreConformance,
                         ::testing::Values(StoreKind{"S3", &make_place, false}), kind_name);

/// With a cache before the bucket.
class CachedS3Place final : public StorePlace {
 public:
  ObjectStore& store() override { return *store_; }

  std::vector<std::string> leftovers() override { return server_for_all().unfinished_uploads(); }

 private:
  const std::unique_ptr<S3Store> remote_ = open_store(options_of(server_for_all(), new_prefix()));
  io::SimulatedDisk disk_{1};
  const std::unique_ptr<CachedStore> store_ =
      CachedStore::open(*remote_, disk_, {.directory = "/cache", .max_bytes = 24 << 20}).value();
};

INSTANTIATE_TEST_SUITE_P(Cached, StoreConformance,
                         ::testing::Values(StoreKind{"CachedS3",
                                                     +[]() -> std::unique_ptr<StorePlace> {
                                                       return std::make_unique<CachedS3Place>();
                                                     },
                                                     false}),
                         kind_name);

TEST(S3Store, BehindACacheABlockIsOneGet) {
  const auto remote = open_store(options_of(server_for_all(), new_prefix()));
  io::SimulatedDisk disk(1);
  const CachedStoreOptions options{.directory = "/cache"};
  const auto content = content_of(20 * kMiB + 1);
  ASSERT_TRUE(put(*remote, "a", content).ok());
  for (const bool is_cold : {true, false}) {
    const auto store = CachedStore::open(*remote, disk, options).value();
    const auto reader = store->read("a").value();
    std::vector<std::byte> out(kMiB);
    for (size_t at = 0; at < content.size(); at += out.size()) {
      out.resize(std::min(out.size(), content.size() - at));
      ASSERT_TRUE(reader->read_at(at, out).ok());
      ASSERT_TRUE(std::ranges::equal(out, std::span(content).subspan(at, out.size())));
    }
    EXPECT_EQ(remote->counters().of(RequestKind::kGet), 21U);
    EXPECT_EQ(remote->counters().bytes_read, content.size());
    EXPECT_EQ(store->cache_counters().bytes_from_remote, is_cold ? content.size() : 0);
  }
}

TEST(S3Store, ListsMoreThanOnePage) {
  const auto store = open_store(options_of(server_for_all(), new_prefix()));
  constexpr int kObjects = 2'001;
  constexpr int kThreads = 8;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  std::atomic<int> failed{0};
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int each = i; each < kObjects; each += kThreads) {
        failed += put(*store, fmt::format("many/{}/{}", each % 7, each), "x").ok() ? 0 : 1;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  ASSERT_EQ(failed, 0);
  std::vector<std::string> wanted;
  wanted.reserve(kObjects);
  for (int each = 0; each < kObjects; ++each) {
    wanted.push_back(fmt::format("many/{}/{}", each % 7, each));
  }
  std::ranges::sort(wanted);
  EXPECT_EQ(names_of(*store, "many"), wanted);
  EXPECT_EQ(store->counters().of(RequestKind::kList), 3U);
  EXPECT_EQ(names_of(*store, "many/3").size(), 286U);
}

TEST(S3Store, ASmallObjectIsOnePutAndALargeOneIsParts) {
  const auto store = open_store(options_of(server_for_all(), new_prefix()));
  const StoreCounters& counters = store->counters();
  ASSERT_TRUE(put(*store, "small", content_of(S3Store::kPartBytes - 1)).ok());
  EXPECT_EQ(counters.of(RequestKind::kPut), 1U);
  EXPECT_EQ(counters.of(RequestKind::kPart), 0U);
  ASSERT_TRUE(put(*store, "one part", content_of(S3Store::kPartBytes)).ok());
  EXPECT_EQ(counters.of(RequestKind::kPart), 3U);  // begin, part, end
  ASSERT_TRUE(put(*store, "parts", content_of(2 * S3Store::kPartBytes + 1), 3 * kMiB).ok());
  EXPECT_EQ(counters.of(RequestKind::kPart), 3U + 5U);
  EXPECT_EQ(counters.of(RequestKind::kPut), 1U);
  EXPECT_EQ(counters.bytes_written, 4 * S3Store::kPartBytes);
}

TEST(S3Store, AnUploadThatIsGivenUpIsAborted) {
  S3Server& server = server_for_all();
  const auto store = open_store(options_of(server, new_prefix()));
  {
    const auto writer = store->create("given up");
    ASSERT_TRUE((*writer)->write(content_of(3 * S3Store::kPartBytes)).ok());
    EXPECT_THAT(server.unfinished_uploads(), SizeIs(1));  // so this would see one that is left
  }
  EXPECT_THAT(server.unfinished_uploads(), IsEmpty());
  EXPECT_EQ(store->counters().of(RequestKind::kDelete), 1U);
  EXPECT_EQ(store->counters().bytes_written, 0U);
}

TEST(S3Store, StoresOfOneBucketSeeWhatIsBelowTheirPrefix) {
  const std::string prefix = new_prefix();
  const auto all = open_store(options_of(server_for_all(), prefix));
  const auto a = open_store(options_of(server_for_all(), prefix + "/a"));
  const auto a1 = open_store(options_of(server_for_all(), prefix + "/a-1"));
  ASSERT_TRUE(put(*a, "x", "in a").ok());
  ASSERT_TRUE(put(*a1, "x", "in a-1").ok());
  EXPECT_THAT(names_of(*a, ""), ElementsAre("x"));
  EXPECT_EQ(*get_text(*a1, "x"), "in a-1");
  EXPECT_THAT(names_of(*all, ""), ElementsAre("a-1/x", "a/x"));
  EXPECT_EQ(a->location_of("b/c"), fmt::format("s3://test/{}/a/b/c", prefix));
  const auto bucket = open_store(options_of(server_for_all(), ""));
  EXPECT_EQ(*get_text(*bucket, prefix + "/a/x"), "in a");
  EXPECT_EQ(bucket->location_of("b"), "s3://test/b");
  ASSERT_TRUE(put(*bucket, "top", "without a folder").ok());
  EXPECT_EQ(*get_text(*bucket, "top"), "without a folder");
  ASSERT_TRUE(bucket->remove("top").ok());
  EXPECT_EQ(bucket->counters().of(RequestKind::kPut), 1U);  // no folder, so no key for one
}

TEST(S3Store, AReaderOfWhatWasWrittenAgainSeesTheNewBytesOrTheirEnd) {
  const auto store = open_store(options_of(server_for_all(), new_prefix()));
  ASSERT_TRUE(put(*store, "a", "long and old").ok());
  const auto reader = store->read("a");
  ASSERT_TRUE(reader.ok());
  ASSERT_TRUE(put(*store, "a", "new").ok());
  std::array<std::byte, 3> part{};
  ASSERT_TRUE((*reader)->read_at(0, part).ok());
  EXPECT_EQ(bytes::as_text(part), "new");
  const Status beyond = (*reader)->read_at(4, part);
  ASSERT_FALSE(beyond.ok());
  EXPECT_EQ(beyond.error().code, Code::kCorrupt) << beyond.error().message;
  EXPECT_THAT(beyond.error().message, HasSubstr("ends at 3"));
}

TEST(S3Store, WhatIsNotFoundByALargeReadIsNotFound) {
  const auto store = open_store(options_of(server_for_all(), new_prefix()));
  ASSERT_TRUE(put(*store, "a", content_of(kMiB)).ok());
  const auto reader = store->read("a");
  ASSERT_TRUE(store->remove("a").ok());
  std::vector<std::byte> out(kMiB);  // room for the text of the error
  EXPECT_EQ((*reader)->read_at(0, out).error().code, Code::kNotFound);
}

/// One of each call, on what is not there. A writer takes bytes long before it asks.
std::vector<Error> errors_of_every_call(ObjectStore& store) {
  std::vector<Error> errors;
  const auto note = [&errors](const auto& result, const char* what) {
    if (result.ok()) {
      ADD_FAILURE() << what << " went well";
    } else {
      errors.push_back(result.error());
    }
  };
  note(store.look("a/b"), "look");
  note(store.read("a/b"), "read");
  note(store.list("a"), "list");
  note(store.list(""), "list of all");
  note(store.remove("a/b"), "remove");
  note(put(store, "a/b", "text"), "put");
  note(put(store, "a/b", content_of(11 * kMiB)), "put in parts");
  return errors;
}

void expect_refused(const S3StoreOptions& options, const std::string& why) {
  const auto store = open_store(options);
  for (const Error& error : errors_of_every_call(*store)) {
    EXPECT_EQ(error.code, Code::kForbidden) << error.message;
    EXPECT_EQ(error.retry, Retry::kNo);
    EXPECT_THAT(error.message, HasSubstr(options.bucket));
    EXPECT_THAT(error.message, HasSubstr(options.endpoint));
    EXPECT_THAT(error.message, HasSubstr(why));
    EXPECT_THAT(error.message, ::testing::Not(HasSubstr(options.secret_key)));
  }
  EXPECT_GE(store->counters().failures, 7U);
  EXPECT_EQ(store->counters().bytes_written, 0U);
}

TEST(S3Store, WrongKeysAreSaidToBeWrong) {
  auto options = options_of(server_for_all(), "refused");
  options.access_key = "nobody";
  expect_refused(options, "key");
  options = options_of(server_for_all(), "refused");
  options.secret_key = "wrong-secret";
  expect_refused(options, "key");
  EXPECT_THAT(server_for_all().unfinished_uploads(), IsEmpty());
}

TEST(S3Store, AMissingBucketIsNoMissingObject) {
  auto options = options_of(server_for_all(), "");
  options.bucket = "no-such-bucket";
  expect_refused(options, "there is no bucket");
  options.prefix = "below/it";
  expect_refused(options, "there is no bucket");
}

TEST(S3Store, WithoutKeysTheEnvironmentIsAsked) {
  auto options = options_of(server_for_all(), new_prefix());
  options.access_key.clear();
  options.secret_key.clear();
  // NOLINTBEGIN(concurrency-mt-unsafe): nothing else runs.
  ::setenv("AWS_ACCESS_KEY_ID", S3Server::kAccessKey, 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", S3Server::kSecretKey, 1);
  const auto store = open_store(options);
  const Status written = put(*store, "a", "a");
  EXPECT_TRUE(written.ok()) << written.error().message;
  ::setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret", 1);
  EXPECT_EQ(put(*open_store(options), "b", "b").error().code, Code::kForbidden);
  ::unsetenv("AWS_ACCESS_KEY_ID");
  ::unsetenv("AWS_SECRET_ACCESS_KEY");
  // NOLINTEND(concurrency-mt-unsafe)
}

TEST(S3Store, OptionsThatCannotBeMeantAreRefused) {
  const auto refusal = [](auto change) {
    auto options = options_of(server_for_all(), "");
    change(options);
    const auto store = S3Store::open(options);
    return store.ok() ? std::string("taken") : store.error().message;
  };
  EXPECT_THAT(refusal([](auto& o) { o.bucket = ""; }), HasSubstr("no name of a bucket"));
  EXPECT_THAT(refusal([](auto& o) { o.bucket = "a/b"; }), HasSubstr("no name of a bucket"));
  EXPECT_THAT(refusal([](auto& o) { o.scheme = "s3"; }), HasSubstr("neither http nor https"));
  EXPECT_THAT(refusal([](auto& o) { o.endpoint = "http://h:1"; }), HasSubstr("host:port"));
  EXPECT_THAT(refusal([](auto& o) { o.secret_key = ""; }), HasSubstr("together"));
  EXPECT_THAT(refusal([](auto& o) { o.prefix = "a/"; }), HasSubstr("no name"));
  EXPECT_THAT(refusal([](auto& o) { o.prefix = std::string(121, 'p'); }), HasSubstr("120"));
  EXPECT_EQ(refusal([](auto& o) { o.prefix = std::string(120, 'p'); }), "taken");
}

}  // namespace
}  // namespace millrace::objects
