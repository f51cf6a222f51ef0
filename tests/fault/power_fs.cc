// usage: power_fs DIRECTORY [--seed S]
// Mounts a disk in memory on DIRECTORY and obeys lines of standard input, each answered by one line
// that begins with `ok` or `error`. It says `ok` once mounted, and ends, unmounted, with `quit`,
// the end of its input, or SIGTERM.
//
// clang-format off
//   plant NAME           syncs of `journal`, `catalog`, `parquet` or `directory` are ignored from now on
//   cut                  the power goes: every operation fails
//   cut_after N          the power goes in the middle of the N-th coming operation that changes something
//   stop_at STEP WHEN N  the disk stops `before` or `after` the N-th coming operation of a step
//                        (power_steps.h): nothing changes any more, and nothing is answered
//   stop                 the disk stops now
//   release              what waits is answered, so that a process that was killed can end
//   kill                 whoever used the disk was killed, and it works again, with all that was
//                        written; nobody may have a file open
//   fail_sync on|off     syncs answer EIO and forget what they should have written
//   full on|off          nothing may grow
//   state                `ok on` or `ok off` (stopped, too)
//   power                loses what was not synced and mounts again; nobody may have a file open.
//                        Answers what was lost, as JSON
//   close_wait MS        how long `power` and `kill` wait for open files to end (10 s)
//   stats                what was asked of the disk so far, as JSON
// clang-format on

#include "power_mount.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <string>

namespace millrace::fault {
namespace {

Lie lie_of(const std::string& plant) {
  static const std::map<std::string, FileClass> classes{{"journal", FileClass::kJournal},
                                                        {"catalog", FileClass::kCatalog},
                                                        {"parquet", FileClass::kParquet}};
  if (plant == "directory") {
    return [](const std::string&, bool is_directory) { return is_directory; };
  }
  if (const auto found = classes.find(plant); found != classes.end()) {
    return [wanted = found->second](const std::string& path, bool is_directory) {
      return !is_directory && class_of(path) == wanted;
    };
  }
  return {};
}

class PowerControl {
 public:
  PowerControl(std::string directory, uint64_t seed)
      : directory_(std::move(directory)), disk_(seed), steps_(disk_) {}

  ~PowerControl() { steps_.release(); }

  PowerControl(const PowerControl&) = delete;
  PowerControl& operator=(const PowerControl&) = delete;

  Status mount() {
    MILLRACE_TRY(mount_, PowerMount::mount(disk_, activity_, steps_, lie_, directory_));
    return {};
  }

  /// The answer without "ok".
  Result<std::string> obey(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string argument;
    words >> verb >> argument;
    if (verb == "plant") {
      return plant(argument);
    }
    if (verb == "cut") {
      disk_.power_off();
      return std::string();
    }
    if (verb == "cut_after") {
      faults_.off_at = disk_.operations() + std::strtoull(argument.c_str(), nullptr, 10);
      return armed();
    }
    if (verb == "stop_at") {
      std::string when;
      uint64_t number = 0;
      words >> when >> number;
      return stop_at(argument, when, number);
    }
    if (verb == "stop") {
      steps_.stop();
      return std::string();
    }
    if (verb == "release") {
      steps_.release();
      return std::string();
    }
    if (verb == "close_wait") {
      close_wait_ = std::chrono::milliseconds(std::strtoull(argument.c_str(), nullptr, 10));
      return std::string();
    }
    if (verb == "fail_sync" || verb == "full") {
      return toggle(verb, argument);
    }
    if (verb == "state") {
      return std::string(disk_.is_off() ? "off" : "on");
    }
    if (verb == "power") {
      return power();
    }
    if (verb == "kill") {
      return kill();
    }
    if (verb == "stats") {
      return activity_.to_json();
    }
    return make_error(Code::kInvalid, "no command '{}'", verb);
  }

 private:
  Result<std::string> plant(const std::string& name) {
    if (!lie_of(name)) {
      return make_error(Code::kInvalid, "no plant '{}'", name);
    }
    lie_ = lie_of(name);
    mount_.reset();
    MILLRACE_TRY_STATUS(mount());
    return std::string();
  }

  Result<std::string> toggle(const std::string& verb, const std::string& argument) {
    const bool is_on = argument == "on";
    if (verb == "full") {
      faults_.capacity_bytes = is_on ? std::optional<uint64_t>(0) : std::nullopt;
    } else {
      faults_.fails_syncs = is_on;
    }
    return armed();
  }

  Result<std::string> armed() {
    disk_.set_faults(faults_);
    return std::string();
  }

  Result<std::string> stop_at(const std::string& step, const std::string& when, uint64_t number) {
    if (when != "before" && when != "after") {
      return make_error(Code::kInvalid, "neither before nor after: '{}'", when);
    }
    MILLRACE_TRY_STATUS(steps_.arm(step, when == "after", number));
    return std::string();
  }

  /// Nobody uses the disk any more.
  Status unmount() {
    steps_.release();
    const auto deadline = std::chrono::steady_clock::now() + close_wait_;
    while (mount_->open_handles() > 0) {
      if (std::chrono::steady_clock::now() > deadline) {
        return make_error(Code::kConflict, "{} files are still open", mount_->open_handles());
      }
      std::this_thread::yield();
    }
    mount_.reset();
    steps_.reset();
    faults_ = {};
    return {};
  }

  Result<std::string> kill() {
    MILLRACE_TRY_STATUS(unmount());
    disk_.kill();
    MILLRACE_TRY_STATUS(mount());
    return std::string();
  }

  Result<std::string> power() {
    MILLRACE_TRY_STATUS(unmount());
    const io::PowerLoss loss = disk_.power_cut();
    MILLRACE_TRY_STATUS(mount());
    return fmt::format(
        R"({{"sectors_lost": {}, "sectors_kept": {}, "changes_lost": {}, "changes_kept": {}}})",
        loss.sectors_lost, loss.sectors_kept, loss.changes_lost, loss.changes_kept);
  }

  const std::string directory_;
  io::SimulatedDisk disk_;
  io::DiskFaults faults_;
  PowerActivity activity_;
  PowerSteps steps_;
  std::chrono::milliseconds close_wait_{10'000};
  Lie lie_;
  std::unique_ptr<PowerMount> mount_;
};

void answer(const Result<std::string>& result) {
  if (result.ok()) {
    std::printf("ok%s%s\n", result->empty() ? "" : " ", result->c_str());
  } else {
    std::printf("error %s\n", result.error().message.c_str());
  }
  std::fflush(stdout);
}

int run(const std::string& directory, uint64_t seed) {
  PowerControl control(directory, seed);
  if (auto mounted = control.mount(); !mounted.ok()) {
    answer(mounted.error());
    return 1;
  }
  answer(std::string());
  std::array<char, 256> line{};
  while (std::fgets(line.data(), line.size(), stdin) != nullptr) {
    line[std::strcspn(line.data(), "\n")] = '\0';
    if (std::strcmp(line.data(), "quit") == 0) {
      break;
    }
    answer(control.obey(line.data()));
  }
  return 0;
}

void ignore(int) {}

}  // namespace
}  // namespace millrace::fault

int main(int argc, char** argv) {
  if (argc != 2 && (argc != 4 || std::strcmp(argv[2], "--seed") != 0)) {
    std::fprintf(stderr, "usage: power_fs DIRECTORY [--seed S]\n");
    return 2;
  }
  // SIGTERM ends the wait for a line; SIGINT is for whoever holds the other end.
  struct sigaction on_term{};
  on_term.sa_handler = millrace::fault::ignore;
  ::sigaction(SIGTERM, &on_term, nullptr);
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  return millrace::fault::run(argv[1], argc == 4 ? std::strtoull(argv[3], nullptr, 10) : 1);
}
