#include "cli/interrupt.h"

#include "base/check.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>

namespace millrace::cli {
namespace {

// Of the one Interrupt there is: a signal handler finds no other state.
std::atomic<bool> came_once{false};
std::array<int, 2> ends{-1, -1};

extern "C" void on_interrupt(int) {
  const int before = errno;
  came_once = true;
  const char byte = 0;
  static_cast<void>(::write(ends[1], &byte, 1));
  errno = before;
}

}  // namespace

Interrupt::Interrupt(std::initializer_list<int> more) : signals_(more) {
  static_assert(std::atomic<bool>::is_always_lock_free, "the handler must not wait");
  MILLRACE_CHECK(ends[0] == -1, "two of them");
  MILLRACE_CHECK(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0, "no descriptors at the start");
  came_once = false;
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second ends the process
  sigemptyset(&action.sa_mask);
  signals_.push_back(SIGINT);
  for (const int signal : signals_) {
    ::sigaction(signal, &action, nullptr);
  }
}

Interrupt::~Interrupt() {
  for (const int signal : signals_) {
    std::signal(signal, SIG_DFL);
  }
  ::close(ends[0]);
  ::close(ends[1]);
  ends = {-1, -1};
}

const std::atomic<bool>& Interrupt::stop() const {
  return came_once;
}

int Interrupt::descriptor() const {
  return ends[0];
}

bool is_reader_gone() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return std::ferror(stdout) != 0 || (::poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0);
}

}  // namespace millrace::cli
