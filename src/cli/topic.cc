#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/topics.h"
#include "cli/verbs.h"
#include "client/admin.h"

#include <nlohmann/json.hpp>

#include <CLI/App.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>

namespace millrace::cli {
namespace {

using nlohmann::json;

constexpr auto kTimeout = std::chrono::seconds(10);
constexpr auto kDeleteTimeout = std::chrono::seconds(120);

struct TopicArguments {
  std::string servers;
  std::string http;  // for what the Kafka protocol does not say
  std::string name;
  int partitions = -1;
  std::vector<std::string> configs;
  int32_t partition = 0;
  std::string before;
  bool as_json = false;
};

using Arguments = std::shared_ptr<TopicArguments>;

Result<std::map<std::string, std::string>> parse_configs(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> configs;
  for (const std::string& text : texts) {
    MILLRACE_TRY(auto pair, parse_pair("--config", text));
    configs.insert_or_assign(std::move(pair.first), std::move(pair.second));
  }
  return configs;
}

Status create(client::Admin& admin, const TopicArguments& arguments) {
  MILLRACE_TRY(const auto configs, parse_configs(arguments.configs));
  // Whoever is not there is found out at once, and told as by the other verbs.
  MILLRACE_TRY([[maybe_unused]] const auto topics, admin.list_topics());
  MILLRACE_TRY_STATUS(admin.create_topic(arguments.name, arguments.partitions, configs));
  if (arguments.as_json) {
    std::printf("%s\n", json{{"created", arguments.name}}.dump().c_str());
  } else {
    std::printf("created topic %s\n", arguments.name.c_str());
  }
  return {};
}

bool has(const std::vector<client::TopicInfo>& topics, const std::string& name) {
  return std::ranges::find(topics, name, &client::TopicInfo::name) != topics.end();
}

Status remove(client::Admin& admin, const TopicArguments& arguments) {
  MILLRACE_TRY(const auto topics, admin.list_topics());
  if (!has(topics, arguments.name)) {
    return unknown_topic(arguments.name, topics);
  }
  const auto table = table_of_topic(arguments.http, arguments.name);
  // The server has just answered: a large table takes its time.
  MILLRACE_TRY(const auto patient, client::Admin::connect(arguments.servers, kDeleteTimeout));
  if (Status done = patient->delete_topic(arguments.name); !done.ok()) {
    Error error = std::move(done).error();
    if (error.code == Code::kTimeout) {
      return make_error(Code::kOutcomeUnknown, "delete topic {}: no answer within {} s",
                        arguments.name, kDeleteTimeout.count());
    }
    return error;
  }
  if (arguments.as_json) {
    json out{{"deleted", arguments.name}};
    if (table) {
      out["table"] = {{"name", table->name}, {"rows", table->rows}};
    }
    std::printf("%s\n", out.dump().c_str());
  } else if (table) {
    std::printf("deleted topic %s, and with it the table %s of %s\n", arguments.name.c_str(),
                table->name.c_str(), count_of(table->rows, "row").c_str());
  } else {
    std::printf("deleted topic %s\n", arguments.name.c_str());
  }
  return {};
}

/// "end": nullopt.
Result<std::optional<int64_t>> parse_before(const std::string& text) {
  if (text == "end") {
    return std::optional<int64_t>();
  }
  int64_t offset = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), offset);
  if (failed != std::errc{} || end != text.data() + text.size() || offset < 0) {
    return make_error(Code::kInvalid, "--before {}: must be an offset or end", text);
  }
  return std::optional(offset);
}

Status delete_records(client::Admin& admin, const TopicArguments& arguments) {
  MILLRACE_TRY(const auto before, parse_before(arguments.before));
  MILLRACE_TRY(const auto topics, admin.list_topics());
  MILLRACE_TRY_STATUS(partitions_in(topics, arguments.name, arguments.partition));
  MILLRACE_TRY(const int64_t start,
               admin.delete_records(arguments.name, arguments.partition, before));
  if (arguments.as_json) {
    const json out{{"topic", arguments.name}, {"partition", arguments.partition}, {"start", start}};
    std::printf("%s\n", out.dump().c_str());
  } else {
    std::printf("%s partition %d starts at offset %lld\n", arguments.name.c_str(),
                arguments.partition, static_cast<long long>(start));
  }
  return {};
}

Status list(client::Admin& admin, const TopicArguments& arguments) {
  MILLRACE_TRY(const auto topics, admin.list_topics());
  if (arguments.as_json) {
    json out = json::array();
    for (const auto& topic : topics) {
      out.push_back({{"name", topic.name}, {"partitions", topic.partitions.size()}});
    }
    std::printf("%s\n", out.dump().c_str());
    return {};
  }
  if (topics.empty()) {
    std::printf("no topics; make one with: millrace topic create NAME\n");
    return {};
  }
  std::printf("%-40s %s\n", "TOPIC", "PARTITIONS");
  for (const auto& topic : topics) {
    std::printf("%-40s %10zu\n", topic.name.c_str(), topic.partitions.size());
  }
  return {};
}

void print_table(const client::TopicInfo& topic, std::optional<Pinned> pinned) {
  std::printf("%-9s %15s %15s %15s\n", "PARTITION", "START", "END", "OFFSETS");
  for (const auto& partition : topic.partitions) {
    std::printf("%9d %15lld %15lld %15lld\n", partition.id,
                static_cast<long long>(partition.start_offset),
                static_cast<long long>(partition.end_offset),
                static_cast<long long>(partition.end_offset - partition.start_offset));
  }
  if (pinned) {
    std::printf(
        "\npins the journal's oldest file by %llu bytes of its own there: all %llu bytes of the "
        "journal cannot be freed while it keeps them\n",
        static_cast<unsigned long long>(pinned->own), static_cast<unsigned long long>(pinned->all));
  }
}

Status describe(client::Admin& admin, const TopicArguments& arguments) {
  MILLRACE_TRY(const auto topics, admin.list_topics());
  if (!has(topics, arguments.name)) {
    return unknown_topic(arguments.name, topics);
  }
  MILLRACE_TRY(const auto topic, admin.describe_topic(arguments.name));
  const auto pinned = pinned_bytes(arguments.http, arguments.name);
  if (!arguments.as_json) {
    print_table(topic, pinned);
    return {};
  }
  json partitions = json::array();
  for (const auto& partition : topic.partitions) {
    partitions.push_back({{"partition", partition.id},
                          {"start", partition.start_offset},
                          {"end", partition.end_offset}});
  }
  json out{{"name", topic.name}, {"partitions", partitions}};
  if (pinned) {
    out["journal_pinned_bytes"] = pinned->own;
    out["journal_kept_bytes"] = pinned->all;
  }
  std::printf("%s\n", out.dump().c_str());
  return {};
}

/// `arguments`: of this verb alone. CLI11 reads variables for the verbs that were not asked for
/// too: they would overwrite the flags of the one that was.
CLI::App* add(CLI::App& topic, const char* name, const char* help, bool has_name,
              const Arguments& arguments, Status (*action)(client::Admin&, const TopicArguments&),
              int& exit_code) {
  CLI::App* verb = topic.add_subcommand(name, help);
  add_server_flag(*verb, arguments->servers);
  verb->add_flag("--json", arguments->as_json, "for machines");
  if (has_name) {
    verb->add_option("name", arguments->name, "topic")->required()->type_name("NAME");
  }
  verb->callback([arguments, action, &exit_code] {
    auto admin = client::Admin::connect(arguments->servers, kTimeout);
    const Status done = admin.ok() ? action(**admin, *arguments) : Status(admin.error());
    exit_code = done.ok() ? static_cast<int>(kOk)
                          : report(done.error(), {arguments->as_json, arguments->servers});
  });
  return verb;
}

}  // namespace

void add_topic(CLI::App& app, int& exit_code) {
  CLI::App* topic =
      app.add_subcommand("topic", "create, list, describe and delete topics, delete records");
  topic->require_subcommand(1);
  auto arguments = std::make_shared<TopicArguments>();
  CLI::App* verb = add(*topic, "create", "make a topic", true, arguments, create, exit_code);
  verb->add_option("-p,--partitions", arguments->partitions,
                   "how many; the server's default without it")
      ->check(CLI::Range(1, 10'000));
  add_pairs(*verb, "-c,--config", arguments->configs, "a setting, see below; more than once");
  set_help(
      *verb,
      "Settings: retention.ms (milliseconds; default 604800000, which is 7 days; -1: for ever), "
      "retention.bytes (of each partition; default -1: no limit), max.message.bytes (of a "
      "batch as it was sent, at most what the server has memory for; default 1048588), durability "
      "(fsync, interval or object: what an acknowledgement says; default fsync).",
      {"millrace topic create orders",
       "millrace topic create events -p 8 -c retention.ms=86400000 -c retention.bytes=-1"});
  arguments = std::make_shared<TopicArguments>();
  verb = add(*topic, "list", "all topics", false, arguments, list, exit_code);
  set_help(*verb, "", {"millrace topic list", "millrace topic list --json"});
  arguments = std::make_shared<TopicArguments>();
  verb = add(*topic, "describe", "a topic's partitions and their offsets", true, arguments,
             describe, exit_code);
  add_http_flag(*verb, arguments->http);
  set_help(
      *verb,
      "A topic that keeps the journal's oldest file from being freed is said to pin it, if the "
      "server's HTTP answers.",
      {"millrace topic describe orders", "millrace topic describe orders --json"});
  arguments = std::make_shared<TopicArguments>();
  verb = add(*topic, "delete-records", "delete the oldest records of a partition", true, arguments,
             delete_records, exit_code);
  verb->add_option("-p,--partition", arguments->partition, "which")
      ->required()
      ->check(CLI::Range(0, 9'999));
  verb->add_option("--before", arguments->before,
                   "delete the records below this offset; end: all there are")
      ->required()
      ->type_name("OFFSET");
  set_help(*verb,
           "The partition starts at that offset from then on, whatever retention its topic has. "
           "What the records took is given back once nothing else keeps their files.",
           {"millrace topic delete-records orders --partition 0 --before 1",
            "millrace topic delete-records orders --partition 1 --before end --json"});
  arguments = std::make_shared<TopicArguments>();
  verb =
      add(*topic, "delete", "delete a topic and its records", true, arguments, remove, exit_code);
  add_http_flag(*verb, arguments->http);
  set_help(*verb, "The topic of a table takes the table and its rows with it.",
           {"millrace topic delete greetings", "millrace topic delete orders --json"});
  set_help(*topic, "",
           {"millrace topic create shipments -p 2 -c retention.ms=86400000",
            "millrace topic describe shipments --json"});
}

}  // namespace millrace::cli
