#include "verify/connection.h"

#include <array>

namespace millrace::verify {
namespace {

using namespace std::chrono_literals;
using runtime::Deadline;

constexpr size_t kMostFrame = size_t{1} << 30;
constexpr auto kLook = 100ms;  // at the stop

}  // namespace

Result<Connection> Connection::open(const net::Address& server, std::chrono::milliseconds timeout) {
  net::BlockingSocket socket(server);
  if (const Status connected = socket.connect(Deadline::after(timeout)); !connected.ok()) {
    return make_error(Code::kTimeout, "{}", connected.error().message);
  }
  return Connection(std::move(socket), timeout);
}

Status Connection::send(const std::vector<bytes::Buffer>& frame, const std::atomic<bool>* stop) {
  if (stop != nullptr && stop->load()) {
    return make_error(Code::kCancelled, "interrupted");
  }
  for (const bytes::Buffer& part : frame) {
    MILLRACE_TRY_STATUS(socket_.send_all(part.span(), Deadline::after(timeout_)));
  }
  return {};
}

Status Connection::read_exactly(std::span<std::byte> into, const std::atomic<bool>* stop) {
  auto give_up = Deadline::after(timeout_);
  while (!into.empty()) {
    const auto received = socket_.receive(into, std::min(give_up, Deadline::after(kLook)));
    if (stop != nullptr && stop->load()) {
      return make_error(Code::kCancelled, "interrupted");
    }
    if (received.ok() && *received == 0) {
      return make_error(Code::kIo, "{} ended the connection", socket_.server().to_string());
    }
    if (received.ok()) {
      into = into.subspan(*received);
      give_up = Deadline::after(timeout_);
    } else if (received.error().code != Code::kTimeout || give_up.has_passed()) {
      return received.error();
    }
  }
  return {};
}

Result<std::span<const std::byte>> Connection::receive(const kafka::ApiRange& api, int16_t version,
                                                       const std::atomic<bool>* stop) {
  std::array<std::byte, 4> prefix{};
  MILLRACE_TRY_STATUS(read_exactly(prefix, stop));
  const auto length = bytes::Reader(prefix).be<uint32_t>();
  if (length > kMostFrame) {
    return make_error(Code::kCorrupt, "{} does not speak the Kafka protocol",
                      socket_.server().to_string());
  }
  frame_.resize(length);
  MILLRACE_TRY_STATUS(read_exactly(frame_, stop));
  bytes::Reader in(frame_);
  const auto correlation = kafka::decode_response_header(in, api, version);
  if (!correlation.ok() || *correlation != correlation_) {
    return make_error(Code::kCorrupt, "{} does not speak the Kafka protocol",
                      socket_.server().to_string());
  }
  return std::span<const std::byte>(frame_).subspan(in.position());
}

}  // namespace millrace::verify
