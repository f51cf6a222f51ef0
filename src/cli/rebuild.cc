#include "server/rebuild.h"

#include "cli/arguments.h"
#include "cli/finish_buckets.h"
#include "cli/help.h"
#include "cli/progress.h"
#include "cli/setting_flags.h"
#include "cli/text_table.h"
#include "cli/verbs.h"

#include <nlohmann/json.hpp>

#include <CLI/App.hpp>
#include <cstdio>
#include <memory>
#include <optional>

namespace millrace::cli {
namespace {

using nlohmann::ordered_json;

struct RebuildArguments {
  DirectoryFlags directory;
  bool replace = false;
  bool dry_run = false;
  bool as_json = false;
  int64_t gap = server::RebuildOptions().gap;
};

ordered_json to_json(const server::RebuildReport& report) {
  ordered_json topics = ordered_json::array();
  for (const server::RebuiltTopic& topic : report.topics) {
    ordered_json partitions = ordered_json::array();
    for (const server::RebuiltPartition& each : topic.partitions) {
      partitions.push_back({{"partition", each.partition.value},
                            {"start", each.start.value},
                            {"next", each.next.value},
                            {"objects", each.objects},
                            {"objects_end", each.objects_end.value}});
    }
    topics.push_back({{"name", topic.name},
                      {"id", topic.id.to_string()},
                      {"partitions", std::move(partitions)}});
  }
  ordered_json tables = ordered_json::array();
  for (const server::RebuiltTable& table : report.tables) {
    tables.push_back({{"name", table.name},
                      {"files", table.files},
                      {"rows", table.rows},
                      {"files_end", table.files_end.value},
                      {"next", table.next.value}});
  }
  ordered_json left = ordered_json::array();
  for (const server::LeftAlone& each : report.left_alone) {
    left.push_back({{"path", each.path}, {"why", each.why}});
  }
  return {{"directory_id", report.directory.to_string()},
          {"is_new_directory", report.is_new_directory},
          {"topics", std::move(topics)},
          {"tables", std::move(tables)},
          {"objects", report.objects},
          {"object_bytes", report.object_bytes},
          {"files", report.files},
          {"left_alone", std::move(left)},
          {"lost", report.lost},
          {"moved", report.moved}};
}

std::string text_of(Offset offset) {
  return fmt::format("{}", offset);
}

void print_topics(const server::RebuildReport& report) {
  TextTable table({{"topic"},
                   {"partition", true, false},
                   {"start", true, false},
                   {"in objects up to", true, false},
                   {"objects", true, false},
                   {"next", true, false}},
                  TableLines::kNone);
  for (const server::RebuiltTopic& topic : report.topics) {
    for (const server::RebuiltPartition& each : topic.partitions) {
      table.add({topic.name, fmt::format("{}", each.partition), text_of(each.start),
                 each.objects == 0 ? "-" : text_of(each.objects_end),
                 fmt::format("{}", each.objects), text_of(each.next)});
    }
  }
  if (table.rows() != 0) {
    std::printf("\n%s", table.format(0).c_str());
  }
}

void print_tables(const server::RebuildReport& report) {
  TextTable table({{"table"},
                   {"files", true, false},
                   {"rows in files", true, false},
                   {"replayed from", true, false},
                   {"next", true, false}},
                  TableLines::kNone);
  for (const server::RebuiltTable& each : report.tables) {
    table.add({each.name, fmt::format("{}", each.files), fmt::format("{}", each.rows),
               text_of(each.files_end), text_of(each.next)});
  }
  if (table.rows() != 0) {
    std::printf("\n%s", table.format(0).c_str());
  }
}

void print(const server::RebuildReport& report, const std::string& data, bool is_made) {
  std::printf("%s: %s %s made out of %s (%llu bytes)", data.c_str(),
              report.is_new_directory ? "a journal and catalog.db" : "catalog.db",
              is_made ? "was" : "would be", count_of(report.objects, "object").c_str(),
              static_cast<unsigned long long>(report.object_bytes));
  std::printf("%s\n",
              report.is_new_directory
                  ? ""
                  : fmt::format(", {} and the journal", count_of(report.files, "file")).c_str());
  for (const std::string& moved : report.moved) {
    std::printf("what was there is now %s\n", moved.c_str());
  }
  if (!report.moved.empty()) {
    std::printf("to undo it before a server starts, move that back, all of it\n");
  }
  print_topics(report);
  print_tables(report);
  if (!report.left_alone.empty()) {
    std::printf("\nleft alone:\n");
  }
  for (const server::LeftAlone& each : report.left_alone) {
    std::printf("  %s: %s\n", each.path.c_str(), each.why.c_str());
  }
  std::printf("\nlost, if there was any of it:\n");
  for (const std::string& lost : report.lost) {
    std::printf("  %s\n", lost.c_str());
  }
}

Result<server::RebuildOptions> options_of(const RebuildArguments& arguments) {
  server::RebuildOptions options;
  MILLRACE_TRY(options.server, options_of(arguments.directory));
  options.replace = arguments.replace;
  options.dry_run = arguments.dry_run;
  options.gap = arguments.gap;
  return options;
}

/// One line on the terminal for each kind of thing that is read.
class Shown {
 public:
  void show(std::string_view what, size_t done, size_t all) {
    if (!progress_ || what_ != what) {
      end();
      what_ = what;
      progress_.emplace(fmt::format("of {} {}", all, what));
    }
    progress_->show(done);
  }

  void end() const {
    if (progress_) {
      progress_->end();
    }
  }

 private:
  std::string what_;
  std::optional<Progress> progress_;
};

int rebuild(const RebuildArguments& arguments) {
  const ReportOptions as{.as_json = arguments.as_json, .server = ""};
  auto options = options_of(arguments);
  if (!options.ok()) {
    return report(options.error(), as);
  }
  const FinishBuckets finish_buckets;
  Shown shown;
  options->progress = [&](std::string_view what, size_t done, size_t all) {
    shown.show(what, done, all);
  };
  const auto done = server::rebuild(*options);
  shown.end();
  if (!done.ok()) {
    report(done.error(), as);
    return kFailed;
  }
  if (arguments.as_json) {
    std::printf(
        "%s\n",
        to_json(*done).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    print(*done, options->server.data, !options->dry_run);
  }
  return kOk;
}

}  // namespace

void add_rebuild(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand(
      "rebuild", "make a lost catalog again, or a lost data directory out of its bucket");
  const auto arguments = std::make_shared<RebuildArguments>();
  add_directory_flags(*verb, arguments->directory);
  verb->add_flag("--replace", arguments->replace,
                 "a catalog.db that is there goes to quarantine/ first");
  verb->add_option("--gap", arguments->gap,
                   "without a journal: offsets that no record gets, behind the last one in the "
                   "bucket of each partition; more than the lost journal had there")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->capture_default_str();
  verb->add_flag("--dry-run", arguments->dry_run, "say what would be made, and make nothing");
  verb->add_flag("--json", arguments->as_json, "for machines");
  set_help(
      *verb,
      "While no server runs on DIR. With a journal in DIR: makes catalog.db out of it, the "
      "segment objects and the Parquet files. Where DIR is missing or empty: makes a directory "
      "that serves what the bucket has (--bucket s3://BUCKET/PREFIX, as the server was told). "
      "Says what it made, what it left alone and what is lost; deletes nothing.",
      {"millrace rebuild --data data --dry-run", "millrace rebuild --data data --replace"});
  verb->callback([arguments, &exit_code] { exit_code = rebuild(*arguments); });
}

}  // namespace millrace::cli
