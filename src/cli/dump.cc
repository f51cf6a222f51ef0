#include "cli/verbs.h"
#include "io/disk.h"
#include "journal/scan.h"
#include "record/record_batch.h"
#include "record/system_frame.h"

#include <nlohmann/json.hpp>

#include <CLI/App.hpp>
#include <cstdio>
#include <memory>

namespace millrace::cli {
namespace {

using nlohmann::json;

struct DumpArguments {
  std::string path;
  bool as_json = false;
};

json describe_batch(const journal::FrameHeader& frame, const std::vector<std::byte>& payload) {
  json out{{"type", "batch"},
           {"topic_id", frame.partition.topic.to_string()},
           {"partition", frame.partition.partition.value},
           {"base_offset", frame.base_offset.value},
           {"records", frame.records},
           {"bytes", frame.payload_bytes},
           {"max_timestamp", frame.max_timestamp_ms}};
  const auto header = record::parse_header(payload);
  if (!header.ok()) {
    out["error"] = header.error().message;
    return out;
  }
  out["attributes"] = header->attributes;
  out["codec"] = std::string(bytes::name_of(header->codec()));
  out["producer_id"] = header->producer_id;
  return out;
}

json describe_system(const std::vector<std::byte>& payload) {
  json out{{"type", "system"}, {"bytes", payload.size()}};
  const auto frame = record::SystemFrame::decode(payload);
  if (!frame.ok()) {
    out["error"] = frame.error().message;
    return out;
  }
  out["kind"] = std::string(record::name_of(frame->kind));
  out["operation"] = frame->is_removal ? "remove" : "put";
  std::string key;
  for (const char c : frame->key) {
    key += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  out["key"] = key;
  return out;
}

void print(const DumpArguments& arguments, const json& line) {
  if (arguments.as_json) {
    std::printf("%s\n", line.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
    return;
  }
  std::string text;
  for (const auto& [name, value] : line.items()) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", name,
                        value.is_string() ? value.get<std::string>() : value.dump());
  }
  std::printf("%s\n", text.c_str());
}

json describe_run(const journal::RunHeader& header) {
  return {{"type", "run"},
          {"file", header.file.value},
          {"position", header.position},
          {"run", header.run.value},
          {"frames", header.frames},
          {"length", header.length},
          {"durable_upto", header.durable_upto.value},
          {"checkpoint", (header.flags & journal::kCheckpointPart) != 0}};
}

/// Runs from the start of the file to the first place that holds none.
Status dump_file(const DumpArguments& arguments, const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  const auto number = journal::number_of(name);
  if (!number) {
    return make_error(Code::kInvalid, "{}: not a journal file (20 digits and .log)", path);
  }
  MILLRACE_TRY(auto opened, io::posix_disk().open(path, io::OpenMode::kRead));
  MILLRACE_TRY(const uint64_t size, opened->size());
  const journal::JournalFile file{*number, size / journal::kBlock * journal::kBlock,
                                  std::move(opened)};
  uint64_t position = 0;
  while (true) {
    MILLRACE_TRY(const auto run, journal::read_run_head(file, position));
    if (!run) {
      return {};
    }
    print(arguments, describe_run(run->header));
    for (size_t i = 0; i < run->frames.size(); ++i) {
      const auto payload = journal::read_payload(file, *run, i);
      if (!payload.ok()) {
        print(arguments, {{"type", "damage"}, {"error", payload.error().message}});
        continue;
      }
      const bool is_batch = run->frames[i].type == journal::FrameType::kBatch;
      print(arguments,
            is_batch ? describe_batch(run->frames[i], *payload) : describe_system(*payload));
    }
    position = run->header.end();
  }
}

Status dump(const DumpArguments& arguments) {
  if (arguments.path.ends_with(".log")) {
    return dump_file(arguments, arguments.path);
  }
  const std::string directory = arguments.path + "/journal";
  const auto entries = io::posix_disk().list(directory);
  if (!entries.ok()) {
    return make_error(Code::kNotFound, "{}: not a data directory ({})", arguments.path,
                      entries.error().message);
  }
  for (const auto& entry : *entries) {
    if (journal::number_of(entry.name)) {
      MILLRACE_TRY_STATUS(dump_file(arguments, directory + "/" + entry.name));
    }
  }
  return {};
}

}  // namespace

void add_dump(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("dump", "print the runs and frames of a journal; reads only");
  const auto arguments = std::make_shared<DumpArguments>();
  verb->add_option("path", arguments->path, "data directory, or one journal file")->required();
  verb->add_flag("--json", arguments->as_json, "one JSON object a run and a frame");
  verb->footer(fmt::format(
      "Works beside a running server, up to what is on disk at that moment.\n\nExamples:\n"
      "  millrace dump /var/lib/millrace\n"
      "  millrace dump /var/lib/millrace/journal/00000000000000000001.log --json\n\n{}",
      kExitCodes));
  verb->callback([arguments, &exit_code] {
    const Status done = dump(*arguments);
    exit_code = done.ok() ? static_cast<int>(kOk) : report(done.error());
  });
}

}  // namespace millrace::cli
