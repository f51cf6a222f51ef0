#include "cli/arguments.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "client/admin.h"
#include "client/producer.h"

#include <nlohmann/json.hpp>

#include <CLI/App.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>

namespace millrace::cli {
namespace {

struct ProduceArguments {
  client::ProducerOptions options;
  std::string file = "-";
  std::string key_separator;
  std::vector<std::string> headers;
  int partition = -1;
  bool as_json = false;
};

Result<client::ProducedRecord> record_of(const ProduceArguments& arguments, std::string_view line) {
  client::ProducedRecord record;
  record.value = line;
  if (arguments.partition >= 0) {
    record.partition = arguments.partition;
  }
  if (!arguments.key_separator.empty()) {
    const size_t at = line.find(arguments.key_separator);
    if (at != std::string_view::npos) {
      record.key = line.substr(0, at);
      record.value = line.substr(at + arguments.key_separator.size());
    }
  }
  for (const std::string& header : arguments.headers) {
    MILLRACE_TRY(auto pair, parse_pair("--header", header));
    record.headers.push_back(std::move(pair));
  }
  return record;
}

Status send_lines(std::istream& in, const ProduceArguments& arguments, client::Producer& producer,
                  Progress& progress) {
  std::string line;
  while (std::getline(in, line)) {
    MILLRACE_TRY(const auto record, record_of(arguments, line));
    MILLRACE_TRY_STATUS(producer.send(record));
    progress.show(producer.delivered());
  }
  return producer.flush(arguments.options.delivery_timeout);
}

/// An error at once instead of a queue that nobody empties.
Status reach(const std::string& servers) {
  MILLRACE_TRY(const auto admin, client::Admin::connect(servers, std::chrono::seconds(10)));
  const auto topics = admin->list_topics();
  return topics.ok() ? Status{} : Status(topics.error());
}

Status produce(const ProduceArguments& arguments) {
  MILLRACE_TRY_STATUS(reach(arguments.options.servers));
  MILLRACE_TRY(const auto producer, client::Producer::open(arguments.options));
  std::ifstream file;
  if (arguments.file != "-") {
    file.open(arguments.file, std::ios::binary);
    if (!file) {
      return errno_error("open", arguments.file, errno);
    }
  }
  Progress progress("records");
  const Status sent =
      send_lines(arguments.file == "-" ? std::cin : file, arguments, *producer, progress);
  progress.end();
  if (!sent.ok() && !arguments.as_json) {
    std::fprintf(stderr, "millrace: %llu records are durable, %llu failed\n",
                 static_cast<unsigned long long>(producer->delivered()),
                 static_cast<unsigned long long>(producer->failed()));
  }
  const auto count = static_cast<unsigned long long>(producer->delivered());
  if (arguments.as_json) {
    const nlohmann::json out{{"delivered", producer->delivered()},
                             {"failed", producer->failed()},
                             {"seconds", progress.seconds()}};
    std::printf("%s\n", out.dump().c_str());
  } else if (sent.ok()) {
    std::printf("%llu records durable in %s, %.2f s\n", count, arguments.options.topic.c_str(),
                progress.seconds());
  }
  return sent;
}

}  // namespace

void add_produce(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("produce", "send lines as records");
  const auto arguments = std::make_shared<ProduceArguments>();
  add_server_flag(*verb, arguments->options.servers);
  verb->add_option("topic", arguments->options.topic, "topic; made if the server allows it")
      ->required();
  verb->add_option("file", arguments->file, "file of lines; - is standard input")
      ->capture_default_str();
  verb->add_option("-k,--key-separator", arguments->key_separator,
                   "what stands between key and value in a line");
  verb->add_option("-H,--header", arguments->headers, "NAME=VALUE on every record");
  verb->add_option("-p,--partition", arguments->partition,
                   "partition; without it by key, or anywhere");
  verb->add_option("-z,--compression", arguments->options.compression,
                   "none, gzip, snappy, lz4 or zstd")
      ->capture_default_str();
  verb->add_option("--acks", arguments->options.acks, "-1: when durable; 0: do not wait")
      ->capture_default_str();
  verb->add_flag("--json", arguments->as_json, "for machines");
  verb->footer(
      fmt::format("Examples:\n  echo hello | millrace produce greetings\n"
                  "  millrace produce orders orders.txt -k : -z zstd\n\n{}",
                  kExitCodes));
  verb->callback([arguments, &exit_code] {
    const Status done = produce(*arguments);
    exit_code =
        done.ok() ? static_cast<int>(kOk) : report(done.error(), arguments->options.servers);
  });
}

}  // namespace millrace::cli
