#include "base/metrics.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Metrics, AreReadWhenTheyAreAskedFor) {
  Metrics metrics;
  double runs = 1;
  metrics.add_counter("b_runs_total", "Runs.", {}, [&] { return runs; });
  metrics.add_gauge("a_bytes", "Bytes by place.", {{"place", "disk"}}, [] { return 2.5; });
  metrics.add_gauge("a_bytes", "Bytes by place.", {{"place", "a \"b\"\n"}}, [] { return 3; });
  runs = 7;
  EXPECT_EQ(metrics.text(),
            "# HELP a_bytes Bytes by place.\n"
            "# TYPE a_bytes gauge\n"
            "a_bytes{place=\"disk\"} 2.5\n"
            "a_bytes{place=\"a \\\"b\\\"\\n\"} 3\n"
            "# HELP b_runs_total Runs.\n"
            "# TYPE b_runs_total counter\n"
            "b_runs_total 7\n");
}

TEST(Metrics, MembersThatComeAndGoAreThoseOfTheMoment) {
  Metrics metrics;
  std::vector<std::pair<Metrics::Labels, double>> members;
  metrics.add_gauges("a_bytes", "Bytes by topic.", [&] { return members; });
  const std::string head = "# HELP a_bytes Bytes by topic.\n# TYPE a_bytes gauge\n";
  EXPECT_EQ(metrics.text(), head);
  members = {{{{"topic", "x"}}, 1}, {{{"topic", "y"}}, 2}};
  EXPECT_EQ(metrics.text(), head + "a_bytes{topic=\"x\"} 1\na_bytes{topic=\"y\"} 2\n");
}

TEST(Metrics, AHistogramCountsUpToEachBound) {
  Metrics metrics;
  Distribution sizes(std::array{1.0, 10.0, 100.0});
  metrics.add_histogram("a_sizes", "Sizes.", sizes);
  for (const double size : {0.5, 1.0, 1.5, 10.0, 1000.0}) {
    sizes.add(size);
  }
  EXPECT_EQ(metrics.text(),
            "# HELP a_sizes Sizes.\n"
            "# TYPE a_sizes histogram\n"
            "a_sizes_count 5\n"
            "a_sizes_sum 1013\n"
            "a_sizes_bucket{le=\"1\"} 2\n"
            "a_sizes_bucket{le=\"10\"} 4\n"
            "a_sizes_bucket{le=\"100\"} 4\n"
            "a_sizes_bucket{le=\"+Inf\"} 5\n");
}

}  // namespace
}  // namespace millrace
