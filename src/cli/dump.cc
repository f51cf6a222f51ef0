#include "cli/arguments.h"
#include "cli/dump_journal.h"
#include "cli/dump_lines.h"
#include "cli/dump_segment.h"
#include "cli/finish_buckets.h"
#include "cli/follow_journal.h"
#include "cli/help.h"
#include "cli/setting_flags.h"
#include "cli/verbs.h"
#include "io/disk.h"
#include "objects/local_store.h"
#include "segment/format.h"
#include "server/options.h"
#include "server/segment_store.h"

#include <CLI/App.hpp>
#include <cstdio>
#include <map>
#include <memory>

namespace millrace::cli {
namespace {

struct DumpArguments {
  std::string path;
  std::map<std::string, std::string> bucket;  // settings of serve
  DumpLines::Wishes wishes;
  bool follows = false;
};

std::string without_end_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) {
    path.pop_back();
  }
  return path;
}

/// Its objects have no names that a folder elsewhere has by chance: nothing else is searched.
bool is_folder_of_objects(const std::string& path) {
  return ("/" + path + "/").find("/segments/") != std::string::npos;
}

Status dump_bucket(const DumpArguments& arguments, DumpLines& lines) {
  auto settings = arguments.bucket;
  settings["data"] = ".";  // required, and not looked at
  MILLRACE_TRY(const Settings loaded,
               Settings::load(server::settings_schema(), {settings, millrace_variables(), ""}));
  MILLRACE_TRY(const server::Options options, server::options_from(loaded));
  if (!options.bucket) {
    return make_error(Code::kInvalid, "bucket: empty");
  }
  MILLRACE_TRY(const auto store, server::open_bucket_patiently(*options.bucket));
  if (!arguments.path.empty()) {
    return dump_object(*store, arguments.path, lines);
  }
  MILLRACE_TRY(const size_t count, dump_objects(*store, segment::kFolder, lines));
  return count != 0 ? Status()
                    : make_error(Code::kNotFound, "{}: no segment objects there",
                                 store->location_of(segment::kFolder));
}

/// A data directory, the folder of a journal, or one of objects.
Status dump_folder(const std::string& path, DumpLines& lines) {
  MILLRACE_TRY(const bool is_data, io::posix_disk().exists(path + "/journal"));
  const auto store = objects::LocalStore::view(io::posix_disk(), path);
  if (is_data) {
    MILLRACE_TRY_STATUS(dump_journal(path + "/journal", lines));
    MILLRACE_TRY_STATUS(dump_objects(*store, segment::kFolder, lines));
    return {};
  }
  MILLRACE_TRY(bool has_any, dump_journal(path, lines));
  if (!has_any && is_folder_of_objects(path)) {
    MILLRACE_TRY(const size_t objects, dump_objects(*store, "", lines));
    has_any = objects != 0;
  }
  return has_any ? Status()
                 : make_error(Code::kNotFound,
                              "{}: no journal and no segment objects there; say the --data "
                              "directory of a server",
                              path);
}

Status dump_path(const std::string& path, DumpLines& lines) {
  if (path.ends_with(".log")) {
    return dump_journal_file(path, lines);
  }
  if (path.ends_with(".seg")) {
    const auto store = objects::LocalStore::view(io::posix_disk(), io::parent_of(path));
    return dump_object(*store, path.substr(path.rfind('/') + 1), lines);
  }
  return dump_folder(path, lines);
}

/// Of a data directory, or the folder of a journal.
Status follow(const std::string& path, DumpLines& lines) {
  MILLRACE_TRY(const bool is_data, io::posix_disk().exists(path + "/journal"));
  const Interrupt interrupt;
  return follow_journal(is_data ? path + "/journal" : path, interrupt, lines);
}

Status dump(const DumpArguments& arguments) {
  const FinishBuckets finish_buckets;
  DumpLines lines(arguments.wishes);
  const bool has_bucket = arguments.bucket.contains("bucket");
  if (!has_bucket && !arguments.bucket.empty()) {
    return make_error(Code::kInvalid, "dump: an endpoint or region is of a --bucket: say that too");
  }
  if (!has_bucket && arguments.path.empty()) {
    return make_error(Code::kInvalid, "dump: say a PATH, or a --bucket");
  }
  const std::string path = without_end_slashes(arguments.path);
  if (arguments.follows) {
    MILLRACE_TRY_STATUS(has_bucket ? make_error(Code::kInvalid, "dump: --follow is of a journal")
                                   : follow(path, lines));
  } else {
    MILLRACE_TRY_STATUS(has_bucket ? dump_bucket(arguments, lines) : dump_path(path, lines));
  }
  if (lines.damaged() != 0) {
    return make_error(Code::kCorrupt, "{}: {}, see the lines of type damage",
                      has_bucket ? arguments.bucket.at("bucket") : path,
                      count_of(lines.damaged(), "damaged place"));
  }
  return {};
}

}  // namespace

void add_dump(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand(
      "dump", "print what stands in a journal and in segment objects; reads only");
  const auto arguments = std::make_shared<DumpArguments>();
  verb->add_option("path", arguments->path,
                   "data directory, its journal, its segments, or one file of them; with --bucket, "
                   "the name of an object in it, or none for all")
      ->type_name("PATH");
  add_setting_flag(*verb, arguments->bucket, "bucket", "URL", "segment objects of this bucket");
  add_setting_flag(*verb, arguments->bucket, "bucket.endpoint", "URL", "as of serve");
  add_setting_flag(*verb, arguments->bucket, "bucket.region", "TEXT", "as of serve");
  verb->add_flag("--records", arguments->wishes.with_records, "the records of each batch too");
  verb->add_flag("-f,--follow", arguments->follows,
                 "of a journal, what is written from now on, until Ctrl-C");
  verb->add_flag("--json", arguments->wishes.as_json,
                 "one JSON object a run, object, frame, batch and record");
  set_help(*verb,
           "Works beside a running server, up to what is on disk at that moment. Damage is a line "
           "of its own and makes the exit code 1.",
           {"millrace dump data", "millrace dump data --records --json",
            "millrace dump data/journal/00000000000000000001.log", "millrace dump --follow data"});
  verb->callback([arguments, &exit_code] {
    const Status done = dump(*arguments);
    std::fflush(stdout);
    exit_code = done.ok() ? static_cast<int>(kOk)
                          : report(done.error(), {.as_json = arguments->wishes.as_json});
  });
}

}  // namespace millrace::cli
