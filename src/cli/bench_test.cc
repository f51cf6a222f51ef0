#include "cli/bench.h"

#include "cli/bench_ingest.h"
#include "cli/progress.h"
#include "cli/server_api.h"
#include "cli/server_metrics.h"
#include "columnar/decode_msgpack.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

namespace millrace::cli {
namespace {

using testing::HasSubstr;

constexpr int64_t kFirstMs = 1'800'000'000'000;

std::string body_of(const IngestBody& body, const std::string& message) {
  EXPECT_EQ(message.substr(message.size() - body.body_bytes - 4, 4), "\r\n\r\n");
  return message.substr(message.size() - body.body_bytes);
}

TEST(IngestBody, OfMessagePackIsWhatTheServerDecodes) {
  const IngestShape shape{
      .format = IngestFormat::kMsgpack, .host = "127.0.0.1:1", .database = "bench-1", .rows = 2500};
  const IngestBody body = make_ingest_body(shape, 7, 1);
  std::string message = body.message;
  stamp(shape.format, body, kFirstMs, message);
  const std::string content = body_of(body, message);
  EXPECT_THAT(message, HasSubstr("x-millrace-database: bench-1\r\n"));
  EXPECT_THAT(message, HasSubstr(fmt::format("Content-Length: {}\r\n", body.body_bytes)));
  const auto decoded = columnar::decode_msgpack(std::as_bytes(std::span(content)), {});
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  ASSERT_EQ(decoded->batches.size(), 1U);
  const columnar::MeasurementBatch* const batch = &decoded->batches.front();
  EXPECT_EQ(batch->measurement, "m7");
  EXPECT_EQ(batch->batch.rows, 2500U);
  EXPECT_EQ(batch->batch.columns.size(), 5U);
  const auto times = batch->batch.time().values_as<int64_t>();
  EXPECT_EQ(times.front(), kFirstMs * 1000);
  EXPECT_EQ(times.back(), kFirstMs * 1000 + 2499);
  double usage = 0;
  for (const double value : batch->batch.find("usage")->values_as<double>()) {
    usage += value;
  }
  EXPECT_EQ(usage * 64, static_cast<double>(body.usage_64ths));
}

TEST(IngestBody, OfLinesHasATimeInEachLine) {
  const IngestShape shape{
      .format = IngestFormat::kLine, .host = "127.0.0.1:1", .database = "my bench", .rows = 2500};
  const IngestBody body = make_ingest_body(shape, 0, 1);
  std::string message = body.message;
  stamp(shape.format, body, kFirstMs, message);
  const std::string content = body_of(body, message);
  EXPECT_THAT(message, HasSubstr("POST /write?db=my%20bench HTTP/1.1\r\n"));
  EXPECT_THAT(content, testing::StartsWith("m0,host=host_"));
  EXPECT_THAT(content, HasSubstr(" 1800000000000000000\n"));
  EXPECT_THAT(content, HasSubstr(" 1800000000000000999\n"));
  EXPECT_THAT(content, testing::EndsWith(" 1800000000002000499\n"));
  EXPECT_EQ(std::ranges::count(content, '\n'), 2500);
}

TEST(IngestBody, NoTwoRowsOfARunHaveOneTime) {
  EXPECT_EQ(ingest_span_ms(1), 1);
  EXPECT_EQ(ingest_span_ms(1000), 1);
  EXPECT_EQ(ingest_span_ms(1001), 2);
  const IngestShape shape{
      .format = IngestFormat::kLine, .host = "h:1", .database = "d", .rows = 1001};
  const IngestBody body = make_ingest_body(shape, 0, 1);
  std::string first = body.message;
  stamp(shape.format, body, kFirstMs, first);
  std::string second = body.message;
  stamp(shape.format, body, kFirstMs + ingest_span_ms(1001), second);
  EXPECT_THAT(first, testing::EndsWith(" 1800000000001000000\n"));
  EXPECT_THAT(second, HasSubstr(" 1800000000002000000\n"));
  EXPECT_EQ(first.find(" 1800000000002"), std::string::npos);
}

TEST(IngestBody, UsageSumsWithoutRounding) {
  const IngestShape shape{
      .format = IngestFormat::kLine, .host = "h:1", .database = "d", .rows = 1000};
  const IngestBody body = make_ingest_body(shape, 0, 5);
  double sum = 0;
  const std::string& text = body.message;
  for (size_t at = text.find("usage="); at != std::string::npos; at = text.find("usage=", at + 1)) {
    sum += std::stod(text.substr(at + 6, 20));
  }
  EXPECT_EQ(sum * 64, static_cast<double>(body.usage_64ths));
  EXPECT_GT(body.usage_64ths, 0);
}

TEST(IngestVerdict, IsExactUnlessAnOutcomeIsUnknown) {
  const std::vector<IngestTally> sure = {{.acked_rows = 10, .acked_64ths = 100}};
  EXPECT_FALSE(find_difference(sure, {{10, 100}}));
  EXPECT_THAT(*find_difference(sure, {{9, 100}}), HasSubstr("10 rows acknowledged"));
  EXPECT_TRUE(find_difference(sure, {{11, 100}}));
  EXPECT_THAT(*find_difference(sure, {{10, 99}}), HasSubstr("64ths"));
  EXPECT_TRUE(find_difference(sure, {{10, 101}}));
  const std::vector<IngestTally> unsure = {
      sure[0], {.acked_rows = 10, .acked_64ths = 100, .unknown_rows = 5, .unknown_64ths = 50}};
  EXPECT_FALSE(find_difference(unsure, {{10, 100}, {10, 100}}));
  EXPECT_FALSE(find_difference(unsure, {{10, 100}, {15, 150}}));
  EXPECT_THAT(*find_difference(unsure, {{10, 100}, {16, 150}}), HasSubstr("m1: "));
  EXPECT_TRUE(find_difference(unsure, {{10, 100}, {9, 100}}));
}

IngestOutcome some_outcome() {
  IngestOutcome outcome;
  outcome.tallies = {{.acked_rows = 12'000, .acked_64ths = 5}};
  outcome.window_rows = 10'000;
  outcome.window_bytes = 4'000'000;
  outcome.latencies_us.add(2000);
  outcome.seconds = 2;
  outcome.client_cpu_seconds = 0.5;
  return outcome;
}

TEST(IngestReport, TellsAcknowledgedAndLandedApart) {
  IngestArguments arguments;
  arguments.database = "bench-1";
  const auto json = nlohmann::json::parse(
      format_json(arguments, some_outcome(), {.rss_before_mb = 50}, {{11'000, 5}}));
  EXPECT_EQ(json["rows_per_second"], 5000.0);
  EXPECT_EQ(json["rows_landed_per_second"], 4500.0);
  EXPECT_EQ(json["megabytes_per_second"], 2.0);
  EXPECT_EQ(json["total_rows_acknowledged"], 12'000);
  EXPECT_EQ(json["total_rows_landed"], 11'000);
  EXPECT_EQ(json["is_exact"], false);
  EXPECT_EQ(json["p999_ms"], 2.0);
  EXPECT_EQ(json["server_rss_before_mb"], 50.0);
  EXPECT_TRUE(json["flushes"].is_null());
  EXPECT_EQ(json["is_generator_limit"], false);
}

TEST(IngestReport, SaysWhenTheGeneratorWasTheLimit) {
  IngestArguments arguments;
  arguments.connections = 1;
  IngestOutcome outcome = some_outcome();
  outcome.client_cpu_seconds = 1.9;
  const std::vector<IngestLanded> landed = {{12'000, 5}};
  EXPECT_THAT(format_text(arguments, outcome, {}, landed), HasSubstr("the generator is the limit"));
  outcome.client_cpu_seconds = 1.0;
  EXPECT_THAT(format_text(arguments, outcome, {}, landed),
              testing::Not(HasSubstr("the generator is the limit")));
  EXPECT_THAT(format_text(arguments, outcome, {}, landed), HasSubstr("no MB resident before"));
}

TEST(ServerMetrics, SumsOverLabelsAndKnowsAServerOfOurs) {
  const ServerMetrics metrics(
      "# HELP x_total x_total 9\nx_total{a=\"b c\"} 1\nx_total{a=\"d\"} 2.5\nx_total_more 7\n"
      "process_resident_memory_bytes 5e7\nmillrace_topics 3\nlast 4");
  EXPECT_EQ(metrics.sum("x_total"), 3.5);
  EXPECT_EQ(metrics.sum("last"), 4.0);
  EXPECT_EQ(metrics.sum("x"), std::nullopt);
  EXPECT_EQ(metrics.rss_mb(), 50.0);
  EXPECT_EQ(ServerMetrics("process_resident_memory_bytes 5e7\n").rss_mb(), std::nullopt);
}

TEST(ServerMetrics, FindsTheSampleOfOneLabel) {
  const ServerMetrics metrics(
      "pinned{topic=\"a\"} 1\npinned{topic=\"ab\"} 2\npinned{other=\"x\",topic=\"q\\\"\\\\\"} 4\n"
      "pinned{subtopic=\"a\"} 8\npinned_more{topic=\"a\"} 16\n");
  EXPECT_EQ(metrics.sum_where("pinned", "topic", "a"), 1.0);
  EXPECT_EQ(metrics.sum_where("pinned", "topic", "ab"), 2.0);
  EXPECT_EQ(metrics.sum_where("pinned", "topic", "q\"\\"), 4.0);
  EXPECT_EQ(metrics.sum_where("pinned", "topic", "b"), std::nullopt);
  EXPECT_EQ(metrics.sum("pinned"), 15.0);
}

TEST(Rates, AreZeroWhenNoTimeWentBy) {
  EXPECT_EQ(per_second(10, 2), 5.0);
  EXPECT_EQ(per_second(10, 0), 0.0);
}

TEST(IngestReport, SaysThatItWasInterrupted) {
  IngestArguments arguments;
  IngestOutcome outcome = some_outcome();
  outcome.is_interrupted = true;
  outcome.seconds = 0;  // during the warm-up
  outcome.server_cpu_seconds = 1;
  outcome.window_rows = 0;
  const auto json = nlohmann::json::parse(format_json(arguments, outcome, {}, {{12'000, 5}}));
  EXPECT_EQ(json["is_interrupted"], true);
  EXPECT_EQ(json["rows_per_second"], 0.0);
  const std::string text = format_text(arguments, outcome, {}, {{12'000, 5}});
  EXPECT_THAT(text, HasSubstr("interrupted before anything was measured: 12000 rows"));
  outcome.window_rows = 1;  // and no time went by
  const std::string measured = format_text(arguments, outcome, {}, {{12'000, 5}});
  EXPECT_THAT(measured, HasSubstr("1 rows acknowledged in 0.00 s, then interrupted"));
  EXPECT_THAT(measured, testing::Not(HasSubstr("nan")));
  EXPECT_THAT(measured, testing::Not(HasSubstr("inf")));
}

TEST(Refusals, HaveTheServersWordsInEachOfItsForms) {
  const Error plain = refusal(400, R"({"error":{"code":"invalid","message":"Parser Error: x"}})");
  EXPECT_EQ(plain.code, Code::kForbidden);
  EXPECT_EQ(plain.message, "Parser Error: x");
  EXPECT_EQ(refusal(404, R"({"error":"no table"})").message, "no table");
  EXPECT_EQ(refusal(404, "{}").code, Code::kNotFound);
  EXPECT_EQ(refusal(503, R"({"code":"unavailable","message":"later"})").message, "later");
  EXPECT_EQ(refusal(504, "").code, Code::kOverloaded);  // kTimeout is "no server" to report()
  EXPECT_EQ(refusal(500, "").message, "the server answered 500");
  EXPECT_EQ(refusal(502, "<html>").message, "<html>");
  EXPECT_EQ(refusal(502, "<html>").code, Code::kInternal);
}

TEST(Progress, SaysWhatIsLeftWhereThatIsKnown) {
  EXPECT_EQ(progress_line(12345, "rows", 8000.4, 3, 10), "12345 rows, 8000/s, 3 s, 7 s left");
  EXPECT_EQ(progress_line(12345, "records", 8000, 3, 0), "12345 records, 8000/s, 3 s");
  EXPECT_EQ(progress_line(1, "rows", 1, 12, 10), "1 rows, 1/s, 12 s, 0 s left");
}

}  // namespace
}  // namespace millrace::cli
