#include "cli/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace millrace::cli {
namespace {

constexpr size_t kAtOnce = size_t{64} << 10;

}  // namespace

Result<bool> LineReader::fill() {
  std::array<pollfd, 2> waits = {pollfd{descriptor_, POLLIN, 0}, pollfd{stop_, POLLIN, 0}};
  buffer_.erase(0, begin_);
  begin_ = 0;
  while (true) {
    if (::poll(waits.data(), waits.size(), -1) < 0) {
      if (errno != EINTR) {
        return errno_error("poll(2)", name_, errno);
      }
      continue;
    }
    // The signal that stops and the end of the input may come at once; the handler has run by now.
    if (::poll(&waits[1], 1, 0) == 1) {
      buffer_.clear();  // half a line is no record
      return false;
    }
    if (waits[0].revents == 0) {
      continue;
    }
    const size_t before = buffer_.size();
    buffer_.resize(before + kAtOnce);
    const ssize_t bytes = ::read(descriptor_, buffer_.data() + before, kAtOnce);
    const int number = errno;
    buffer_.resize(before + static_cast<size_t>(bytes > 0 ? bytes : 0));
    if (bytes >= 0) {
      return bytes > 0;
    }
    if (number != EINTR && number != EAGAIN) {
      return errno_error("read(2)", name_, number);
    }
  }
}

Result<std::optional<std::string_view>> LineReader::next() {
  size_t looked_at = begin_;
  while (true) {
    const size_t end = buffer_.find('\n', looked_at);
    if (end != std::string::npos) {
      const std::string_view line = std::string_view(buffer_).substr(begin_, end - begin_);
      begin_ = end + 1;
      return std::optional(line);
    }
    looked_at = buffer_.size() - begin_;  // fill() moves the rest to the front
    if (is_done_) {
      return std::optional<std::string_view>();
    }
    MILLRACE_TRY(const bool came, fill());
    if (!came) {
      is_done_ = true;
      const std::string_view rest = std::string_view(buffer_).substr(begin_);
      begin_ = buffer_.size();
      return rest.empty() ? std::nullopt : std::optional(rest);
    }
  }
}

}  // namespace millrace::cli
