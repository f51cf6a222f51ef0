#include "cli/arguments.h"
#include "cli/verbs.h"
#include "client/admin.h"

#include <nlohmann/json.hpp>

#include <CLI/App.hpp>
#include <chrono>
#include <cstdio>
#include <memory>

namespace millrace::cli {
namespace {

using nlohmann::json;

constexpr auto kTimeout = std::chrono::seconds(10);

struct TopicArguments {
  std::string servers;
  std::string name;
  int partitions = -1;
  std::vector<std::string> configs;
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
  MILLRACE_TRY_STATUS(admin.create_topic(arguments.name, arguments.partitions, configs));
  if (arguments.as_json) {
    std::printf("%s\n", json{{"created", arguments.name}}.dump().c_str());
  } else {
    std::printf("created topic %s\n", arguments.name.c_str());
  }
  return {};
}

Status remove(client::Admin& admin, const TopicArguments& arguments) {
  MILLRACE_TRY_STATUS(admin.delete_topic(arguments.name));
  if (arguments.as_json) {
    std::printf("%s\n", json{{"deleted", arguments.name}}.dump().c_str());
  } else {
    std::printf("deleted topic %s\n", arguments.name.c_str());
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

Status describe(client::Admin& admin, const TopicArguments& arguments) {
  MILLRACE_TRY(const auto topic, admin.describe_topic(arguments.name));
  if (arguments.as_json) {
    json partitions = json::array();
    for (const auto& partition : topic.partitions) {
      partitions.push_back({{"partition", partition.id},
                            {"start", partition.start_offset},
                            {"end", partition.end_offset}});
    }
    std::printf("%s\n", json{{"name", topic.name}, {"partitions", partitions}}.dump().c_str());
    return {};
  }
  std::printf("%-9s %15s %15s %15s\n", "PARTITION", "START", "END", "RECORDS");
  for (const auto& partition : topic.partitions) {
    std::printf("%9d %15lld %15lld %15lld\n", partition.id,
                static_cast<long long>(partition.start_offset),
                static_cast<long long>(partition.end_offset),
                static_cast<long long>(partition.end_offset - partition.start_offset));
  }
  return {};
}

CLI::App* add(CLI::App& topic, const char* name, const char* help, bool has_name,
              const Arguments& arguments, Status (*action)(client::Admin&, const TopicArguments&),
              int& exit_code) {
  CLI::App* verb = topic.add_subcommand(name, help);
  add_server_flag(*verb, arguments->servers);
  verb->add_flag("--json", arguments->as_json, "for machines");
  if (has_name) {
    verb->add_option("name", arguments->name, "topic")->required();
  }
  verb->callback([arguments, action, &exit_code] {
    auto admin = client::Admin::connect(arguments->servers, kTimeout);
    const Status done = admin.ok() ? action(**admin, *arguments) : Status(admin.error());
    exit_code = done.ok() ? static_cast<int>(kOk) : report(done.error(), arguments->servers);
  });
  return verb;
}

}  // namespace

void add_topic(CLI::App& app, int& exit_code) {
  CLI::App* topic = app.add_subcommand("topic", "create, list, describe and delete topics");
  topic->require_subcommand(1);
  const auto arguments = std::make_shared<TopicArguments>();
  CLI::App* make = add(*topic, "create", "make a topic", true, arguments, create, exit_code);
  make->add_option("-p,--partitions", arguments->partitions,
                   "how many; the server's default without it");
  make->add_option("-c,--config", arguments->configs,
                   "NAME=VALUE: retention.ms, retention.bytes, max.message.bytes");
  add(*topic, "list", "all topics", false, arguments, list, exit_code);
  add(*topic, "describe", "a topic's partitions and their offsets", true, arguments, describe,
      exit_code);
  add(*topic, "delete", "delete a topic and its records", true, arguments, remove, exit_code);
  topic->footer(
      fmt::format("Examples:\n  millrace topic create orders -p 8 -c retention.ms=86400000\n"
                  "  millrace topic describe orders --json\n\n{}",
                  kExitCodes));
}

}  // namespace millrace::cli
