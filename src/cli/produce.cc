#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/line_reader.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "client/admin.h"
#include "client/producer.h"
#include "net/bound_socket.h"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <chrono>
#include <cstdio>
#include <memory>

namespace millrace::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::seconds(10);  // with a server that does not answer
constexpr auto kSilence = std::chrono::seconds(5);    // of the server, before that is told

struct ProduceArguments {
  client::ProducerOptions options;
  std::string acks = "all";
  std::string file = "-";
  std::string key_separator;
  std::vector<std::string> headers;
  int partition = -1;
  int timeout = 30;  // seconds
  bool as_json = false;
};

/// What is shown and asked while the producer waits.
class Waiting {
 public:
  Waiting(const Interrupt& interrupt, Progress& progress, std::chrono::milliseconds timeout)
      : interrupt_(interrupt), progress_(progress), timeout_(timeout) {}

  void watch(const client::Producer& producer) { producer_ = &producer; }

  /// false: interrupted.
  bool go_on() {
    const uint64_t delivered = producer_ == nullptr ? 0 : producer_->delivered();
    const auto now = Clock::now();
    if (delivered != delivered_) {
      delivered_ = delivered;
      heard_ = now;
    }
    progress_.show(delivered);
    if (!has_told_ && now - heard_ > kSilence) {
      has_told_ = true;
      std::fprintf(stderr,
                   "millrace: no acknowledgement for %lld s; a record is given up after %lld s\n",
                   static_cast<long long>(kSilence.count()),
                   static_cast<long long>(timeout_.count() / 1000));
    }
    return !interrupt_.came();
  }

 private:
  const Interrupt& interrupt_;
  Progress& progress_;
  const std::chrono::milliseconds timeout_;
  const client::Producer* producer_ = nullptr;
  uint64_t delivered_ = 0;
  Clock::time_point heard_ = Clock::now();
  bool has_told_ = false;
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

Status send_lines(LineReader& in, const ProduceArguments& arguments, const Interrupt& interrupt,
                  client::Producer& producer, Progress& progress) {
  while (!interrupt.came()) {
    MILLRACE_TRY(const auto line, in.next());
    if (!line) {
      break;
    }
    MILLRACE_TRY(const auto record, record_of(arguments, *line));
    MILLRACE_TRY_STATUS(producer.send(record));
    progress.show(producer.delivered());
  }
  if (interrupt.came()) {
    return make_error(Code::kCancelled, "interrupted");
  }
  return producer.flush(arguments.options.delivery_timeout + std::chrono::seconds(5));
}

/// An error at once instead of a queue that nobody empties.
Status reach(const std::string& servers) {
  const auto admin = client::Admin::connect(servers, kPatience);
  return admin.ok() ? Status{} : Status(admin.error());
}

Result<net::Descriptor> open_input(const std::string& path) {
  net::Descriptor input(path == "-" ? ::dup(STDIN_FILENO)
                                    : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (input.get() < 0) {
    return errno_error("open(2)", path, errno);
  }
  return input;
}

std::string counts_of(const client::Producer& producer) {
  return fmt::format("{} durable, {} not acknowledged", count_of(producer.delivered(), "record"),
                     producer.failed());
}

void print_result(const ProduceArguments& arguments, const client::Producer& producer,
                  double seconds, const Status& sent) {
  const bool is_answered = arguments.options.acks != 0;
  if (arguments.as_json) {
    const nlohmann::json out{
        {"delivered", is_answered ? nlohmann::json(producer.delivered()) : nlohmann::json()},
        {"failed", producer.failed()},
        {"seconds", seconds}};
    std::printf("%s\n", out.dump().c_str());
  } else if (sent.ok() && !is_answered) {
    std::printf("%s sent to %s, unanswered (--acks 0), %.2f s\n",
                count_of(producer.delivered(), "record").c_str(), arguments.options.topic.c_str(),
                seconds);
  } else if (sent.ok()) {
    std::printf("%s durable in %s, %.2f s\n", count_of(producer.delivered(), "record").c_str(),
                arguments.options.topic.c_str(), seconds);
  } else if (sent.error().code != Code::kCancelled) {
    std::fprintf(stderr, "millrace: %s\n", counts_of(producer).c_str());
  }
}

Status produce(ProduceArguments arguments) {
  MILLRACE_TRY_STATUS(reach(arguments.options.servers));
  MILLRACE_TRY(const auto input, open_input(arguments.file));
  const Interrupt interrupt;
  Progress progress("records");
  arguments.options.delivery_timeout = std::chrono::seconds(arguments.timeout);
  Waiting waiting(interrupt, progress, arguments.options.delivery_timeout);
  arguments.options.acks = arguments.acks == "all" ? -1 : std::stoi(arguments.acks);
  arguments.options.keep_waiting = [&waiting] { return waiting.go_on(); };
  MILLRACE_TRY(const auto producer, client::Producer::open(arguments.options));
  waiting.watch(*producer);
  LineReader in(input.get(), arguments.file, interrupt.descriptor());
  Status sent = producer->prepare(kPatience);
  if (sent.ok()) {
    sent = send_lines(in, arguments, interrupt, *producer, progress);
  }
  progress.end();
  if (!sent.ok()) {
    producer->abandon(std::chrono::seconds(2));  // what waits still counts as not acknowledged
  }
  if (!sent.ok() && sent.error().code == Code::kCancelled) {
    sent = make_error(Code::kCancelled, "interrupted: {}", counts_of(*producer));
  }
  print_result(arguments, *producer, progress.seconds(), sent);
  return sent;
}

}  // namespace

void add_produce(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("produce", "send lines as records");
  const auto arguments = std::make_shared<ProduceArguments>();
  add_server_flag(*verb, arguments->options.servers);
  verb->add_option("topic", arguments->options.topic, "topic; made if the server allows it")
      ->required()
      ->type_name("NAME");
  verb->add_option("file", arguments->file, "file of lines; - is standard input")
      ->type_name("FILE")
      ->capture_default_str();
  verb->add_option("-k,--key-separator", arguments->key_separator,
                   "what stands between key and value in a line; a line without it has no key");
  add_pairs(*verb, "-H,--header", arguments->headers, "on every record; more than once");
  verb->add_option("-p,--partition", arguments->partition,
                   "partition; without it by key, or anywhere")
      ->check(CLI::Range(0, 9'999));
  verb->add_option("-z,--compression", arguments->options.compression, "of what is sent")
      ->check(CLI::IsMember({"none", "gzip", "snappy", "lz4", "zstd"}))
      ->capture_default_str();
  verb->add_option("--acks", arguments->acks,
                   "all, -1 and 1: when durable, which are the same here; 0: do not wait")
      ->check(CLI::IsMember({"all", "-1", "1", "0"}))
      ->capture_default_str();
  verb->add_option("--timeout", arguments->timeout,
                   "seconds that a record may wait for its acknowledgement")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  verb->add_flag("--json", arguments->as_json, "for machines");
  set_help(
      *verb,
      "Ctrl-C stops reading and says how many records are durable; a second one ends it at "
      "once. A record whose acknowledgement is lost with its connection is sent again, and may "
      "then be stored twice.",
      {"echo hello | millrace produce greetings",
       "printf 'ann:3 cups of tea\\nbob:1 cup of coffee\\n' > orders.txt",
       "millrace produce orders orders.txt -k : -H source=shop -z zstd"});
  verb->callback([arguments, &exit_code] {
    const Status done = produce(*arguments);
    exit_code = done.ok() ? static_cast<int>(kOk)
                          : report(done.error(), {arguments->as_json, arguments->options.servers});
  });
}

}  // namespace millrace::cli
