#include "fsck/fsck.h"

#include "base/log.h"
#include "cli/finish_buckets.h"
#include "cli/fsck_format.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/setting_flags.h"
#include "cli/verbs.h"
#include "io/lock_file.h"
#include "server/segment_store.h"

#include <nlohmann/json.hpp>

#include <CLI/App.hpp>
#include <cstdio>
#include <memory>

namespace millrace::cli {
namespace {

constexpr uint64_t kMegabyte = 1'000'000;

struct FsckArguments {
  DirectoryFlags directory;
  bool is_repair = false;
  bool as_json = false;
};

Result<fsck::Report> check(const fsck::Subject& subject) {
  const Interrupt interrupt;
  Progress progress("MB");
  fsck::CheckOptions options;
  options.stop = &interrupt.stop();
  options.progress = [&](uint64_t done, uint64_t total) {
    if (done != 0) {
      progress.expect(progress.seconds() * static_cast<double>(std::max(done, total)) /
                      static_cast<double>(done));
    }
    progress.show(done / kMegabyte);
  };
  auto report = fsck::check_directory(subject, options);
  progress.end();
  return report;
}

void print(const nlohmann::ordered_json& line) {
  std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

void print_report(const fsck::Report& report, const FsckArguments& arguments,
                  const std::string& data) {
  for (const fsck::Finding& finding : report.findings) {
    if (arguments.as_json) {
      print(describe(finding, report));
    } else {
      std::printf("%s\n", to_text(finding, report).c_str());
    }
  }
  if (arguments.as_json) {
    print(describe_summary(report, data));
  } else {
    std::printf("%s\n", summary_text(report, data).c_str());
  }
  std::fflush(stdout);
}

Result<int> fsck_directory(const FsckArguments& arguments) {
  MILLRACE_TRY(const server::Options options, options_of(arguments.directory));
  const FinishBuckets finish_buckets;
  fsck::Subject subject{
      .disk = io::posix_disk(), .data = options.data, .store = server::name_of_store(options)};
  MILLRACE_TRY_STATUS(fsck::look_for_directory(subject));
  const std::string path = options.data + "/lock";
  MILLRACE_TRY(const auto lock, arguments.is_repair ? io::LockFile::acquire(path)
                                                    : io::LockFile::acquire_to_read(path));
  std::unique_ptr<objects::ObjectStore> bucket;
  if (options.bucket) {
    MILLRACE_TRY(bucket, server::open_bucket_patiently(*options.bucket));
    subject.bucket = bucket.get();
  }
  MILLRACE_TRY(fsck::Report report, check(subject));
  const Status repaired = arguments.is_repair ? fsck::repair(subject, report) : Status();
  print_report(report, arguments, options.data);
  MILLRACE_TRY_STATUS(repaired);
  return report.count(fsck::Kind::kDamage) == 0 ? static_cast<int>(kOk) : static_cast<int>(kFailed);
}

}  // namespace

void add_fsck(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("fsck", "check a data directory while no server has it");
  const auto arguments = std::make_shared<FsckArguments>();
  add_directory_flags(*verb, arguments->directory);
  verb->add_flag("--repair", arguments->is_repair, "remove leftovers; leaves damage as it is");
  verb->add_flag("--json", arguments->as_json, "one JSON object a finding, and a summary");
  set_help(
      *verb,
      "Reads all of the journal, the catalog, segment objects and table files. Each finding is "
      "damage (something acknowledged may be lost or unreadable: exit code 1) or a leftover (what "
      "a "
      "crash leaves, which a start removes or ignores: exit code 0), with file, position, topic "
      "and "
      "offsets, and what to do. Nothing is changed.\n"
      "--repair removes temporary files, stored indexes and cached blocks of no use. Only where "
      "there is no damage, it also does what a start does: makes journal and catalog durable, cuts "
      "a torn tail (its bytes are kept in quarantine/), and removes objects and table files that "
      "the catalog does not name and whose records are elsewhere. It mends no damage and removes "
      "nothing that could be the last copy of a record.",
      {"millrace fsck --data data-copy", "millrace fsck --data data-copy --json",
       "millrace fsck --data data-copy --repair"});
  verb->callback([arguments, &exit_code] {
    const auto done = fsck_directory(*arguments);
    exit_code = done.ok() ? *done : report(done.error(), {.as_json = arguments->as_json});
  });
}

}  // namespace millrace::cli
