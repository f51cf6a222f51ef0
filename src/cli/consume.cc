#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/topics.h"
#include "cli/verbs.h"
#include "client/admin.h"
#include "client/consumer.h"

#include <nlohmann/json.hpp>

#include <CLI/App.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <memory>
#include <utility>

namespace millrace::cli {
namespace {

using nlohmann::json;

constexpr auto kTimeout = std::chrono::seconds(10);
constexpr std::string_view kNull = "\\N";  // as PostgreSQL's COPY writes it

struct ConsumeArguments {
  std::string servers;
  std::string topic;
  std::string from = "earliest";
  int partition = -1;
  uint64_t count = 0;  // 0: no limit
  bool follow = false;
  bool as_json = false;
  bool with_key = false;
};

/// JSON has no bytes: what is no UTF-8 stands under `name` with U+FFFD for the wrong ones, and
/// whole under `name`_base64.
void add_exact_bytes(json& out, const std::string& name, std::optional<std::string_view> bytes) {
  if (bytes && !is_utf8(*bytes)) {
    out[name + "_base64"] = to_base64(*bytes);
  }
}

json text_or_null(std::optional<std::string_view> text) {
  return text ? json(std::string(*text)) : json();
}

void print(const ConsumeArguments& arguments, const client::ConsumedRecord& record) {
  if (arguments.as_json) {
    json headers = json::array();
    for (const auto& [name, value] : record.headers) {
      headers.push_back({std::string(name), text_or_null(value)});
    }
    json out{{"partition", record.partition},       {"offset", record.offset},
             {"timestamp", record.timestamp_ms},    {"key", text_or_null(record.key)},
             {"value", text_or_null(record.value)}, {"headers", headers}};
    add_exact_bytes(out, "key", record.key);
    add_exact_bytes(out, "value", record.value);
    std::printf("%s\n", out.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
    return;
  }
  if (arguments.with_key) {
    const std::string_view key = record.key.value_or(kNull);
    std::fwrite(key.data(), 1, key.size(), stdout);
    std::fputc('\t', stdout);
  }
  const std::string_view value = record.value.value_or(arguments.with_key ? kNull : "");
  std::fwrite(value.data(), 1, value.size(), stdout);
  std::fputc('\n', stdout);
}

/// What silence means while it follows a topic: nothing new, no server, or no topic any more.
class Following {
 public:
  explicit Following(const ConsumeArguments& arguments) : arguments_(arguments) {}

  /// After each wait in vain. `damage`: of the partition that is followed alone, or of one of many,
  /// which is told. Errors: that of one alone, kNotFound (the topic was deleted).
  Status look(const Status& damage, bool is_alone) {
    if (!damage.ok() && is_alone) {
      return damage;
    }
    if (!damage.ok() && !std::exchange(is_damage_told_, true)) {
      std::fprintf(stderr, "millrace: %s\n", damage.error().message.c_str());
    }
    if (Clock::now() < next_) {
      return {};
    }
    const auto topics = ask();
    next_ = Clock::now() + kLookEvery;
    if (!topics.ok()) {
      admin_.reset();
      if (!std::exchange(is_away_, true)) {
        std::fprintf(stderr, "millrace: %s does not answer; waiting for it\n",
                     arguments_.servers.c_str());
      }
      return {};
    }
    is_away_ = false;
    if (std::ranges::find(*topics, arguments_.topic, &client::TopicInfo::name) == topics->end()) {
      return make_error(Code::kNotFound, "topic {} was deleted", arguments_.topic);
    }
    return {};
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto kLookEvery = std::chrono::seconds(2);

  Result<std::vector<client::TopicInfo>> ask() {
    if (!admin_) {
      MILLRACE_TRY(admin_, client::Admin::connect(arguments_.servers, kLookEvery));
    }
    return admin_->list_topics();
  }

  const ConsumeArguments& arguments_;
  std::unique_ptr<client::Admin> admin_;
  Clock::time_point next_ = Clock::now() + kLookEvery;
  bool is_away_ = false;
  bool is_damage_told_ = false;
};

Status consume(const ConsumeArguments& arguments) {
  MILLRACE_TRY(const auto start, parse_start(arguments.from));
  MILLRACE_TRY(const auto partitions,
               partitions_of(arguments.servers, arguments.topic, arguments.partition, kTimeout));
  MILLRACE_TRY(const auto consumer, client::Consumer::open(arguments.servers, arguments.topic,
                                                           partitions, start, kTimeout));
  const Interrupt interrupt;
  Following following(arguments);
  uint64_t printed = 0;
  auto heard = std::chrono::steady_clock::now();
  while ((arguments.count == 0 || printed < arguments.count) && std::ferror(stdout) == 0) {
    if (interrupt.came()) {
      std::fflush(stdout);
      return make_error(Code::kCancelled, "interrupted after {}", count_of(printed, "record"));
    }
    MILLRACE_TRY(const bool came,
                 consumer->poll(std::chrono::milliseconds(200),
                                [&](const auto& record) { print(arguments, record); }));
    if (came) {
      ++printed;
      heard = std::chrono::steady_clock::now();
      continue;
    }
    std::fflush(stdout);
    if (is_reader_gone() || (consumer->is_at_end() && !arguments.follow)) {
      break;
    }
    if (arguments.follow) {
      MILLRACE_TRY_STATUS(following.look(consumer->damage(), partitions.size() == 1));
    }
    if (!arguments.follow && !consumer->is_at_end() &&
        std::chrono::steady_clock::now() - heard > kTimeout) {
      return make_error(Code::kTimeout, "no answer for {} s",
                        std::chrono::seconds(kTimeout).count());
    }
  }
  return consumer->damage();
}

}  // namespace

void add_consume(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("consume", "print records");
  const auto arguments = std::make_shared<ConsumeArguments>();
  add_server_flag(*verb, arguments->servers);
  verb->add_option("topic", arguments->topic, "topic")->required()->type_name("NAME");
  verb->add_option("-o,--from", arguments->from,
                   "earliest, latest, an offset, @MS since 1970, or a time as 2026-01-31T12:00:00Z")
      ->type_name("PLACE")
      ->capture_default_str();
  verb->add_option("-p,--partition", arguments->partition, "partition; all without it")
      ->check(CLI::Range(0, 9'999));
  verb->add_option("-n,--count", arguments->count, "stop after so many records")
      ->check(CLI::Range(uint64_t{1}, std::numeric_limits<uint64_t>::max()));
  verb->add_flag("-f,--follow", arguments->follow, "wait for more at the end");
  verb->add_flag("-K,--with-key", arguments->with_key,
                 "key and a tab before the value; \\N is a null key or value");
  verb->add_flag("--json", arguments->as_json,
                 "one JSON object a record: partition, offset, timestamp, key, value, headers; "
                 "value_base64 too when it is no UTF-8");
  set_help(
      *verb,
      "Without -f it ends at the end of every partition. A value is printed as it is, and then "
      "a newline; without -K, a null value is an empty line.",
      {"millrace consume greetings", "millrace consume orders -K",
       "millrace consume orders -p 0 -o 0 -n 10 --json",
       "millrace consume orders -o 2026-01-31T12:00:00Z --follow"});
  verb->callback([arguments, &exit_code] {
    const Status done = consume(*arguments);
    std::fflush(stdout);
    exit_code = done.ok() ? static_cast<int>(kOk)
                          : report(done.error(), {arguments->as_json, arguments->servers});
  });
}

}  // namespace millrace::cli
