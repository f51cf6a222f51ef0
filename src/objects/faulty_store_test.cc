#include "objects/faulty_store.h"

#include "base/clock.h"
#include "objects/memory_store.h"
#include "objects/store_conformance_test.h"

#include <gmock/gmock.h>

namespace millrace::objects {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// What a hundred puts, looks and removes answer, one letter each.
std::string answers(uint64_t seed, const StoreFaults& faults) {
  MemoryStore memory;
  FaultyStore store(memory, seed);
  store.set_faults(faults);
  std::string text;
  const auto note = [&text](const Status& status) {
    if (!status.ok() && status.error().code != Code::kNotFound) {
      EXPECT_EQ(status.error().code, Code::kOverloaded);
      EXPECT_EQ(status.error().retry, Retry::kBackoff);
    }
    text += status.ok() ? '.' : status.error().code == Code::kNotFound ? '0' : 'E';
  };
  for (int i = 0; i < 100; ++i) {
    const std::string name = fmt::format("{}", i);
    note(put(store, name, name));
    const auto found = store.look(name);
    note(found.ok() ? Status{} : Status(found.error()));
    note(store.remove(name));
  }
  return text + fmt::format(" {}", store.late_puts());
}

TEST(FaultyStore, TheSeedAloneDecides) {
  const StoreFaults faults = {.refuses = 0.1, .breaks = 0.2, .repeats = 0.1};
  EXPECT_EQ(answers(7, faults), answers(7, faults));
  EXPECT_NE(answers(7, faults), answers(8, faults));
  std::string good;
  for (int i = 0; i < 300; ++i) {
    good += '.';
  }
  EXPECT_EQ(answers(7, {}), good + " 0");
}

TEST(FaultyStore, SharesAreWhatTheySay) {
  MemoryStore memory;
  FaultyStore store(memory, 1);
  store.set_faults({.refuses = 0.25});
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    refused += store.list("").ok() ? 0 : 1;
  }
  EXPECT_NEAR(refused, 250, 60);
  store.set_faults({.breaks = 1});
  int there = 0;
  for (int i = 0; i < 300; ++i) {
    const std::string name = fmt::format("b/{}", i);
    EXPECT_FALSE(put(store, name, "x").ok());
    there += memory.look(name).ok() ? 1 : 0;
  }
  EXPECT_NEAR(there, 100, 40);
  EXPECT_NEAR(static_cast<double>(store.late_puts()), 100, 40);
}

TEST(FaultyStore, APutWhoseConnectionBreaksIsThereOrNot) {
  MemoryStore memory;
  FaultyStore store(memory, 1);
  store.plan_puts({PutFate::kBrokenDone, PutFate::kBrokenNotDone, PutFate::kRefused});
  for (const std::string name : {"done", "not", "refused"}) {
    const Status status = put(store, name, name);
    ASSERT_FALSE(status.ok()) << name;
    EXPECT_EQ(status.error().retry, Retry::kBackoff);
  }
  EXPECT_THAT(names_of(store, ""), ElementsAre("done"));
  EXPECT_EQ(*get_text(store, "done"), "done");
  for (const std::string name : {"done", "not", "refused"}) {
    EXPECT_TRUE(put(store, name, name).ok());  // the same again mends all three
    EXPECT_EQ(*get_text(store, name), name);
  }
}

TEST(FaultyStore, APutArrivesAgainAfterTheRemoval) {
  MemoryStore memory;
  FaultyStore store(memory, 1);
  store.plan_puts({PutFate::kDoneAndAgain});
  ASSERT_TRUE(put(store, "a", "first").ok());
  EXPECT_EQ(store.late_puts(), 1U);
  ASSERT_TRUE(put(store, "a", "second").ok());
  ASSERT_TRUE(store.remove("a").ok());
  EXPECT_EQ(store.look("a").error().code, Code::kNotFound);
  EXPECT_TRUE(*store.land_late_put());
  EXPECT_EQ(*get_text(store, "a"), "first");
  EXPECT_FALSE(*store.land_late_put());
}

TEST(FaultyStore, APutThatFailedArrivesLate) {
  MemoryStore memory;
  FaultyStore store(memory, 1);
  store.plan_puts({PutFate::kBrokenLate});
  ASSERT_FALSE(put(store, "a", "late").ok());
  EXPECT_EQ(store.look("a").error().code, Code::kNotFound);
  store.set_away(true);
  EXPECT_TRUE(*store.land_late_put());
  store.set_away(false);
  EXPECT_EQ(*get_text(store, "a"), "late");
}

TEST(FaultyStore, WhileItIsAwayNothingIsDone) {
  MemoryStore memory;
  FaultyStore store(memory, 1);
  ASSERT_TRUE(put(store, "kept", "kept").ok());
  const auto reader = store.read("kept");
  ASSERT_TRUE(reader.ok());
  store.set_away(true);
  std::byte byte{};
  EXPECT_EQ(put(store, "new", "new").error().retry, Retry::kBackoff);
  EXPECT_EQ(store.look("kept").error().retry, Retry::kBackoff);
  EXPECT_EQ(store.read("kept").error().retry, Retry::kBackoff);
  EXPECT_EQ(store.list("").error().retry, Retry::kBackoff);
  EXPECT_EQ(store.remove("kept").error().retry, Retry::kBackoff);
  EXPECT_EQ((*reader)->read_at(0, {&byte, 1}).error().retry, Retry::kBackoff);
  EXPECT_EQ(store.counters().failures, 6U);
  store.set_away(false);
  EXPECT_TRUE((*reader)->read_at(0, {&byte, 1}).ok());
  EXPECT_THAT(names_of(memory, ""), ElementsAre("kept"));
}

TEST(FaultyStore, ARemovalWhoseConnectionBreaksIsDoneOrNot) {
  MemoryStore memory;
  FaultyStore store(memory, 3);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(put(store, fmt::format("{}", i), "x").ok());
  }
  store.set_faults({.breaks = 1});
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(store.remove(fmt::format("{}", i)).error().retry, Retry::kBackoff);
  }
  const size_t left = names_of(memory, "").size();
  EXPECT_GT(left, 5U);
  EXPECT_LT(left, 45U);
}

TEST(FaultyStore, LatencyMovesTheClockItIsGiven) {
  using std::chrono::milliseconds;
  ManualClock clock;
  MemoryStore memory;
  FaultyStore store(memory, 1, [&clock](std::chrono::nanoseconds by) { clock.advance(by); });
  const auto start = clock.steady();
  ASSERT_TRUE(put(store, "a", "a").ok());
  EXPECT_EQ(clock.steady(), start);
  store.set_faults({.least_latency = milliseconds(20), .most_latency = milliseconds(30)});
  ASSERT_TRUE(put(store, "a", "a").ok());
  ASSERT_TRUE(store.look("a").ok());
  EXPECT_GE(clock.steady() - start, milliseconds(40));
  EXPECT_LE(clock.steady() - start, milliseconds(60));
}

TEST(FaultyStore, AWriterThatIsGivenUpAsksForNothing) {
  MemoryStore memory;
  FaultyStore store(memory, 1);
  store.plan_puts({PutFate::kDoneAndAgain});
  ASSERT_TRUE((*store.create("a"))->write({}).ok());
  EXPECT_EQ(store.late_puts(), 0U);
  EXPECT_THAT(names_of(store, ""), IsEmpty());
}

}  // namespace
}  // namespace millrace::objects
