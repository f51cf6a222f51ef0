#include "cli/dump_format.h"
#include "cli/help.h"
#include "cli/verbs.h"
#include "io/disk.h"
#include "journal/scan.h"
#include "record/record_batch.h"
#include "record/record_reader.h"

#include <nlohmann/json.hpp>

#include <CLI/App.hpp>
#include <cstdio>
#include <memory>

namespace millrace::cli {
namespace {

using nlohmann::ordered_json;

constexpr size_t kMaxBatchContent = size_t{1} << 30;  // decompressed, for --records

struct DumpArguments {
  std::string path;
  bool as_json = false;
  bool with_records = false;
};

/// Prints file after file.
class Dump {
 public:
  explicit Dump(const DumpArguments& arguments) : arguments_(arguments) {}

  /// Runs from the start of the file to the first place that holds none, then what is behind it.
  Status file(const std::string& path);

  uint64_t damaged() const { return damaged_; }

 private:
  void print(const ordered_json& described) const {
    const std::string line = arguments_.as_json ? to_json_line(described) : to_text_line(described);
    std::printf("%s\n", line.c_str());
  }

  void damage(const std::string& what) {
    print({{"type", "damage"}, {"error", what}});
    ++damaged_;
  }

  Result<uint64_t> chain(const journal::JournalFile& file, uint64_t position);
  void run(const journal::JournalFile& file, const journal::RunHead& run);
  Status records(const journal::FrameHeader& frame, std::span<const std::byte> payload) const;

  const DumpArguments& arguments_;
  TopicNames names_;
  uint64_t damaged_ = 0;
};

Status Dump::records(const journal::FrameHeader& frame, std::span<const std::byte> payload) const {
  MILLRACE_TRY(auto header, record::parse_header(payload));
  header.base_offset = frame.base_offset;  // the batch's own is what the producer wrote
  MILLRACE_TRY(auto reader, record::RecordReader::open({header, payload}, kMaxBatchContent));
  record::Record record;
  while (reader.next(record)) {
    print(describe_record(record));
  }
  return reader.status();
}

void Dump::run(const journal::JournalFile& file, const journal::RunHead& run) {
  print(describe_run(run.header));
  for (size_t i = 0; i < run.frames.size(); ++i) {
    const auto payload = journal::read_payload(file, run, i);
    if (!payload.ok()) {
      damage(payload.error().message);
      continue;
    }
    const journal::FrameHeader& frame = run.frames[i];
    if (frame.type == journal::FrameType::kSystem) {
      print(describe_system(*payload, names_));
      continue;
    }
    print(describe_batch(frame, *payload, names_));
    if (!arguments_.with_records) {
      continue;
    }
    if (const Status walked = records(frame, *payload); !walked.ok()) {
      damage(walked.error().message);
    }
  }
}

/// Prints runs from `position` on; answers where they end.
Result<uint64_t> Dump::chain(const journal::JournalFile& file, uint64_t position) {
  while (true) {
    MILLRACE_TRY(const auto head, journal::read_run_head(file, position));
    if (!head) {
      return position;
    }
    run(file, *head);
    position = head->header.end();
  }
}

Status Dump::file(const std::string& path) {
  const auto number = journal::number_of(path.substr(path.rfind('/') + 1));
  if (!number) {
    return make_error(Code::kInvalid, "{}: not a journal file (20 digits and .log)", path);
  }
  MILLRACE_TRY(auto opened, io::posix_disk().open(path, io::OpenMode::kRead));
  MILLRACE_TRY(const uint64_t size, opened->size());
  const journal::JournalFile file{*number, size / journal::kBlock * journal::kBlock,
                                  std::move(opened)};
  MILLRACE_TRY(uint64_t end, chain(file, 0));
  MILLRACE_TRY(const auto behind, journal::find_headers(file, end));
  for (const journal::RunHeader& header : behind) {
    if (header.position < end) {
      continue;  // printed as part of a chain
    }
    if (header.end() > file.size) {
      damage(fmt::format("{}: cut short: run {} at {} goes on to {}, the file ends at {}", path,
                         header.run, header.position, header.end(), size));
    }
    if (header.position > end) {  // else a running server has just written it
      damage(fmt::format("{}: no run from {} to {}, but run {} behind it", path, end,
                         header.position, header.run));
    }
    MILLRACE_TRY(end, chain(file, header.position));
    end = std::max(end, header.end());
  }
  return {};
}

Status dump_directory(const std::string& path, Dump& dump) {
  std::string directory = path + "/journal";
  MILLRACE_TRY(const bool is_data, io::posix_disk().exists(directory));
  if (!is_data) {
    directory = path;
  }
  const auto entries = io::posix_disk().list(directory);
  bool is_journal = is_data;
  if (entries.ok()) {
    for (const auto& entry : *entries) {
      if (!journal::number_of(entry.name)) {
        continue;
      }
      is_journal = true;
      const Status dumped = dump.file(directory + "/" + entry.name);
      if (!dumped.ok() && dumped.error().code != Code::kNotFound) {  // freed meanwhile
        return dumped;
      }
    }
  }
  if (!is_journal) {
    return make_error(Code::kNotFound, "{}: no journal there; say the --data directory of a server",
                      path);
  }
  return {};
}

Status dump(const DumpArguments& arguments) {
  Dump dump(arguments);
  MILLRACE_TRY_STATUS(arguments.path.ends_with(".log") ? dump.file(arguments.path)
                                                       : dump_directory(arguments.path, dump));
  if (dump.damaged() != 0) {
    return make_error(Code::kCorrupt, "{}: {} damaged places, see the lines of type damage",
                      arguments.path, dump.damaged());
  }
  return {};
}

}  // namespace

void add_dump(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("dump", "print the runs and frames of a journal; reads only");
  const auto arguments = std::make_shared<DumpArguments>();
  verb->add_option("path", arguments->path, "data directory, its journal, or one journal file")
      ->required()
      ->type_name("PATH");
  verb->add_flag("--records", arguments->with_records, "the records of each batch too");
  verb->add_flag("--json", arguments->as_json, "one JSON object a run, frame and record");
  set_help(*verb,
           "Works beside a running server, up to what is on disk at that moment. Damage is a line "
           "of its own and makes the exit code 1.",
           {"millrace dump data", "millrace dump data --records --json",
            "millrace dump data/journal/00000000000000000001.log"});
  verb->callback([arguments, &exit_code] {
    const Status done = dump(*arguments);
    std::fflush(stdout);
    exit_code =
        done.ok() ? static_cast<int>(kOk) : report(done.error(), {.as_json = arguments->as_json});
  });
}

}  // namespace millrace::cli
