#include "verify/verify.h"

#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/text_table.h"
#include "cli/topics.h"
#include "cli/verbs.h"

#include <nlohmann/json.hpp>

#include <CLI/App.hpp>
#include <chrono>
#include <cstdio>
#include <memory>

namespace millrace::cli {
namespace {

using nlohmann::ordered_json;
using verify::PartitionReport;
using verify::Range;
using verify::TopicReport;

constexpr auto kTimeout = std::chrono::seconds(10);

struct VerifyArguments {
  std::string servers;
  std::string topic;
  int partition = -1;
  bool as_json = false;
};

std::string hex_of(const std::array<uint8_t, 16>& digest) {
  std::string text;
  for (const uint8_t byte : digest) {
    text += fmt::format("{:02x}", byte);
  }
  return text;
}

uint64_t offsets_in(const std::vector<Range>& ranges) {
  uint64_t count = 0;
  for (const Range& range : ranges) {
    count += static_cast<uint64_t>(range.count());
  }
  return count;
}

ordered_json to_json(const std::vector<Range>& ranges) {
  ordered_json out = ordered_json::array();
  for (const Range& range : ranges) {
    out.push_back({{"first", range.first.value}, {"last", range.next.value - 1}});
  }
  return out;
}

std::string to_text(const Range& range) {
  return range.count() == 1 ? fmt::format("offset {}", range.first)
                            : fmt::format("offsets {} to {}", range.first, range.next.value - 1);
}

void print(const ordered_json& line) {
  std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

void print_json(const TopicReport& report) {
  for (const PartitionReport& each : report.partitions) {
    for (const verify::Fault& fault : each.faults) {
      print({{"type", "fault"},
             {"topic", report.topic},
             {"partition", each.partition},
             {"offset", fault.offset.value},
             {"what", fault.what}});
    }
    print({{"type", "partition"},
           {"topic", report.topic},
           {"partition", each.partition},
           {"start", each.start.value},
           {"end", each.end.value},
           {"batches", each.sums.batches},
           {"records", each.sums.records},
           {"control_batches", each.sums.control},
           {"bytes", each.sums.bytes},
           {"fillers", to_json(each.sums.fillers)},
           {"expired", to_json(each.expired)},
           {"digest", hex_of(each.sums.digest)},
           {"faults", each.fault_count}});
  }
  print({{"type", "summary"},
         {"topic", report.topic},
         {"partitions", report.partitions.size()},
         {"faults", report.fault_count()}});
}

void print_text(const TopicReport& report) {
  TextTable table({{"partition", true, false},
                   {"start", true, false},
                   {"end", true, false},
                   {"records", true, false},
                   {"fillers", true, false},
                   {"bytes", true, false},
                   {"digest", false, false}},
                  TableLines::kNone);
  for (const PartitionReport& each : report.partitions) {
    const std::string place = fmt::format("{} partition {}", report.topic, each.partition);
    for (const verify::Fault& fault : each.faults) {
      std::printf("fault: %s offset %s: %s\n", place.c_str(),
                  fmt::format("{}", fault.offset).c_str(), fault.what.c_str());
    }
    for (const Range& range : each.sums.fillers) {
      std::printf("filler: %s %s: out of use, without records\n", place.c_str(),
                  to_text(range).c_str());
    }
    for (const Range& range : each.expired) {
      std::printf("expired: %s %s: taken by retention during the run\n", place.c_str(),
                  to_text(range).c_str());
    }
    table.add({std::to_string(each.partition), fmt::format("{}", each.start),
               fmt::format("{}", each.end), std::to_string(each.sums.records),
               std::to_string(offsets_in(each.sums.fillers)), std::to_string(each.sums.bytes),
               hex_of(each.sums.digest)});
  }
  std::fputs(table.format(0).c_str(), stdout);
}

Result<TopicReport> check(const VerifyArguments& arguments) {
  MILLRACE_TRY(const net::Address server, net::Address::parse(arguments.servers));
  verify::VerifyOptions options;
  options.server = server;
  options.topic = arguments.topic;
  options.timeout = kTimeout;
  MILLRACE_TRY(options.partitions,
               partitions_of(arguments.servers, arguments.topic, arguments.partition, kTimeout));
  const Interrupt interrupt;
  Progress progress("offsets");
  options.stop = &interrupt.stop();
  options.progress = [&](uint64_t done, uint64_t total) {
    if (done != 0) {
      progress.expect(progress.seconds() * static_cast<double>(total) / static_cast<double>(done));
    }
    progress.show(done);
  };
  auto report = verify::verify_topic(options);
  progress.end();
  return report;
}

Status verify_and_print(const VerifyArguments& arguments) {
  MILLRACE_TRY(const TopicReport report, check(arguments));
  arguments.as_json ? print_json(report) : print_text(report);
  std::fflush(stdout);
  const uint64_t faults = report.fault_count();
  return faults == 0 ? Status()
                     : make_error(Code::kCorrupt,
                                  "topic {}: {}, named above; files and places are in the server's "
                                  "log, and, once it is stopped, in: millrace fsck --data DIR",
                                  report.topic, count_of(faults, "fault"));
}

}  // namespace

void add_verify(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("verify", "read a topic and check all that a reader can");
  const auto arguments = std::make_shared<VerifyArguments>();
  add_server_flag(*verb, arguments->servers);
  verb->add_option("topic", arguments->topic, "topic")->required()->type_name("NAME");
  verb->add_option("-p,--partition", arguments->partition, "partition; all without it")
      ->check(CLI::Range(0, 9'999));
  verb->add_flag("--json", arguments->as_json,
                 "one JSON object a fault and a partition, and a summary");
  set_help(
      *verb,
      "Reads each partition from its start to its end as they are now: CRCs, offsets without a "
      "gap, counts and times of each batch against its records, decompression, sequences of "
      "producers. A fault is a line with partition and offset, and makes the exit code 1. Ranges "
      "of offsets that are out of use (fillers) and what retention takes meanwhile are named, and "
      "are none.\n"
      "The digest is of offset, time, key, value and headers of every record, whatever batches "
      "they came in: two servers, or one before and after a rebuild, have the same where they "
      "hold the same.",
      {"millrace verify orders", "millrace verify orders -p 0 --json"});
  verb->callback([arguments, &exit_code] {
    const Status done = verify_and_print(*arguments);
    exit_code = done.ok() ? static_cast<int>(kOk)
                          : report(done.error(), {arguments->as_json, arguments->servers});
  });
}

}  // namespace millrace::cli
