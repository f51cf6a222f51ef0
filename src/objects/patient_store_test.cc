#include "objects/patient_store.h"

#include "objects/faulty_store.h"
#include "objects/memory_store.h"
#include "objects/store_conformance_test.h"

#include <gmock/gmock.h>

namespace millrace::objects {
namespace {

using namespace std::chrono_literals;
using ::testing::SizeIs;

class PatientStoreTest : public ::testing::Test {
 protected:
  /// After so much waiting the store is there again.
  void go_away_for(std::chrono::milliseconds time) {
    faulty_->set_away(true);
    back_ = clock_.steady() + time;
  }

  std::chrono::milliseconds waited() const {
    return std::chrono::floor<std::chrono::milliseconds>(clock_.steady() - begin_);
  }

  MemoryStore memory_;
  ManualClock clock_;
  const std::chrono::steady_clock::time_point begin_ = clock_.steady();
  std::chrono::steady_clock::time_point back_;
  FaultyStore* faulty_ = nullptr;
  PatientStore store_{[this] {
                        auto faulty = std::make_unique<FaultyStore>(memory_, 7);
                        faulty_ = faulty.get();
                        return faulty;
                      }(),
                      PatienceOptions(), clock_,
                      [this](std::chrono::milliseconds time) {
                        clock_.advance(time);
                        if (clock_.steady() >= back_) {
                          faulty_->set_away(false);
                        }
                      }};
};

TEST_F(PatientStoreTest, EveryCallGetsThroughWhatPasses) {
  faulty_->set_faults({.refuses = 0.5, .breaks = 0.2});
  for (int i = 0; i < 50; ++i) {
    const std::string name = fmt::format("a/{}", i);
    ASSERT_TRUE(put(store_, name, name).ok());
    ASSERT_EQ(get_text(store_, name).value(), name);
    ASSERT_EQ(store_.look(name)->bytes, name.size());
    ASSERT_THAT(store_.list("a").value(), SizeIs(1));
    ASSERT_TRUE(store_.remove(name).ok()) << "also where a call that failed has removed it";
    ASSERT_EQ(store_.look(name).error().code, Code::kNotFound);
  }
}

TEST_F(PatientStoreTest, OtherErrorsAreTheAnswerAtOnce) {
  EXPECT_EQ(store_.read("a").error().code, Code::kNotFound);
  EXPECT_EQ(store_.remove("a").error().code, Code::kNotFound);
  EXPECT_EQ(store_.create("/").error().code, Code::kInvalid);
  EXPECT_EQ(waited(), 0ms);
}

TEST_F(PatientStoreTest, AnOutageIsWaitedOutIfTheStoreHasAnsweredBefore) {
  ASSERT_TRUE(put(store_, "a", "text").ok());
  const auto reader = store_.read("a").value();
  go_away_for(50s);
  std::vector<std::byte> bytes(4);
  EXPECT_TRUE(reader->read_at(0, bytes).ok());
  EXPECT_GE(waited(), 50s);
  go_away_for(1h);
  const auto before = waited();
  EXPECT_EQ(reader->read_at(0, bytes).error().code, Code::kOverloaded);
  EXPECT_LE(waited() - before, 60s);
  EXPECT_GE(waited() - before, 50s);
}

TEST_F(PatientStoreTest, OneThatNeverAnsweredIsNotWaitedForLong) {
  go_away_for(1h);
  EXPECT_EQ(store_.list("").error().code, Code::kOverloaded);
  EXPECT_LE(waited(), 3s);
  EXPECT_GE(waited(), 1s);
}

}  // namespace
}  // namespace millrace::objects
