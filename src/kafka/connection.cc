#include "kafka/connection.h"

#include "base/log.h"
#include "bytes/cursor.h"
#include "kafka/handlers/handlers.h"
#include "kafka/protocol/versions.h"
#include "runtime/coroutine.h"
#include "runtime/deadline.h"
#include "runtime/shard.h"

#include <algorithm>
#include <chrono>

namespace millrace::kafka {
namespace {

using namespace std::chrono_literals;

constexpr auto kIdle = 10min;
constexpr auto kRequest = 30s;   // the rest of a frame that has begun
constexpr auto kResponse = 30s;  // for each kChunk of a response: a slower client is gone
constexpr size_t kChunk = size_t{1} << 20;
constexpr size_t kMaxInFlight = 64;
constexpr size_t kSmallestFrame = 8;  // key, version, correlation id

template <typename Response>
std::vector<bytes::Buffer> frame_of(const RequestHeader& header, const Response& response) {
  return response_frame(header.version, header.correlation_id, response);
}

/// Decodes the request, calls its handler, encodes the response; none for a Produce with acks=0.
/// `body` lies in call.frame. Errors: kInvalid (the message is damaged).
template <typename Request, typename Response>
runtime::Task<Result<std::vector<bytes::Buffer>>> answer(
    runtime::Task<Response> (*handler)(Context&, const Request&, const Call&), Context& context,
    RequestHeader header, std::span<const std::byte> body, Call call) {
  Request request;
  MILLRACE_CO_TRY_STATUS(decode_message(body, header.version, request));
  const Response response = co_await handler(context, request, call);
  if constexpr (std::is_same_v<Request, ProduceRequest>) {
    if (request.acks == 0) {
      co_return std::vector<bytes::Buffer>();
    }
  }
  co_return frame_of(header, response);
}

runtime::Task<Status> send(net::Stream& stream, const std::vector<bytes::Buffer>& response) {
  std::vector<net::ConstSpan> chunk;
  size_t room = kChunk;
  for (const bytes::Buffer& part : response) {
    for (auto rest = part.span(); !rest.empty();) {
      const auto piece = rest.first(std::min(rest.size(), room));
      chunk.push_back(piece);
      room -= piece.size();
      rest = rest.subspan(piece.size());
      if (room == 0) {
        MILLRACE_CO_TRY_STATUS(
            co_await stream.write_all(chunk, runtime::Deadline::after(kResponse)));
        chunk.clear();
        room = kChunk;
      }
    }
  }
  co_return co_await stream.write_all(chunk, runtime::Deadline::after(kResponse));
}

}  // namespace

Connection::Connection(Context& context, bytes::BufferPool& pool, net::Stream& stream,
                       runtime::CancelToken stop)
    : context_(context), pool_(pool), stream_(stream), stop_(std::move(stop)) {}

runtime::Task<void> Connection::run() {
  static_cast<void>(gate_.spawn(runtime::Shard::here(), "kafka responses", write_loop()));
  co_await read_loop();
  is_reading_ = false;
  changed_.notify_all();
  co_await gate_.close();
}

runtime::Task<void> Connection::read_loop() {
  while (!stream_.is_draining() && !has_failed_) {
    auto frame = co_await read_frame();
    if (!frame.ok()) {
      if (frame.error().code == Code::kInvalid) {
        fail(frame.error());
      }
      co_return;
    }
    bytes::Reader in(*frame);
    const auto header = decode_request_header(in);
    if (!header.ok()) {
      co_return fail(header.error());
    }
    const bool is_produce = header->api_key == ApiKey::kProduce;
    // Only Produce requests run beside one another: they reach the log in the order they came.
    co_await wait_until_at_most(is_produce ? kMaxInFlight - 1 : 0);
    auto in_flight = std::make_shared<InFlight>();
    in_flight->bytes = frame->size();
    bytes_in_flight_ += frame->size();
    in_flight_.push_back(in_flight);
    const size_t body_at = in.position();
    auto work = handle(*std::move(frame), *header, body_at, in_flight);
    if (!gate_.spawn(runtime::Shard::here(), "kafka request", std::move(work))) {
      co_return;
    }
    if (!is_produce) {
      co_await wait_until_at_most(0);
    }
  }
}

runtime::Task<void> Connection::wait_until_at_most(size_t in_flight) {
  while (in_flight_.size() > in_flight && !has_failed_) {
    co_await changed_.wait(runtime::Deadline::never());
  }
}

runtime::Task<Result<bytes::Buffer>> Connection::read_frame() {
  std::array<std::byte, 4> prefix{};
  MILLRACE_CO_TRY(
      const size_t first,
      co_await stream_.read_some(prefix, runtime::Deadline::after(kIdle), net::ReadKind::kIdle));
  if (first == 0) {
    co_return make_error(Code::kCancelled, "the client has closed");
  }
  const auto deadline = runtime::Deadline::after(kRequest);
  MILLRACE_CO_TRY_STATUS(co_await stream_.read_exactly(std::span(prefix).subspan(first), deadline));
  bytes::Reader in(prefix);
  const auto length = in.be<int32_t>();
  if (length < static_cast<int32_t>(kSmallestFrame) ||
      static_cast<size_t>(length) > kMaxProduceFrame) {
    co_return make_error(Code::kInvalid, "frame of {} bytes, must be {} to {}", length,
                         kSmallestFrame, kMaxProduceFrame);
  }
  // The size limit depends on the API, whose number stands first: read that before making room.
  std::array<std::byte, kSmallestFrame> head{};
  MILLRACE_CO_TRY_STATUS(co_await stream_.read_exactly(head, deadline));
  bytes::Reader head_in(head);
  const auto key = static_cast<ApiKey>(head_in.be<int16_t>());
  const ApiRange* api = find_api(key);
  const size_t limit = std::min(api != nullptr ? api->max_frame_bytes : kMaxOtherFrame,
                                context_.options.max_frame_bytes);
  if (static_cast<size_t>(length) > limit) {
    co_return make_error(Code::kInvalid, "frame of {} bytes for API {}, the limit is {}{}", length,
                         static_cast<int>(key), limit,
                         limit == context_.options.max_frame_bytes && limit != kMaxProduceFrame
                             ? ", a share of memory.max_bytes"
                             : "");
  }
  while (bytes_in_flight_ > 0 && !has_failed_ &&
         bytes_in_flight_ + static_cast<size_t>(length) > context_.options.max_bytes_in_flight) {
    co_await changed_.wait(runtime::Deadline::never());
  }
  auto buffer = co_await allocate(static_cast<size_t>(length));
  if (buffer.size() == 0) {
    co_return make_error(Code::kCancelled, "the server is stopping");
  }
  std::copy(head.begin(), head.end(), buffer.data());
  MILLRACE_CO_TRY_STATUS(
      co_await stream_.read_exactly(buffer.span().subspan(head.size()),
                                    runtime::Deadline::after(kRequest)));  // from now: we waited
  co_return std::move(buffer).freeze(static_cast<size_t>(length));
}

runtime::Task<bytes::MutableBuffer> Connection::allocate(size_t size) {
  while (!stop_.is_cancelled()) {
    auto buffer = pool_.allocate(size);
    if (buffer.ok()) {
      co_return std::move(*buffer);
    }
    co_await runtime::sleep_until(runtime::Deadline::after(kMemoryRetry), stop_);
  }
  co_return bytes::MutableBuffer();
}

runtime::Task<void> Connection::handle(bytes::Buffer frame, RequestHeader header, size_t body_at,
                                       InFlightPtr in_flight) {
  auto response = co_await dispatch(std::move(frame), header, body_at, in_flight->held);
  if (response.ok()) {
    in_flight->response = std::move(*response);
  } else {
    fail(response.error());
  }
  in_flight->is_done = true;
  bytes_in_flight_ -= in_flight->bytes;
  changed_.notify_all();
}

runtime::Task<Result<std::vector<bytes::Buffer>>> Connection::dispatch(
    bytes::Buffer frame, RequestHeader header, size_t body_at, MemoryBudget::Reservation& held) {
  Call call{header.version, frame, stop_, held};
  if (header.api_key == ApiKey::kApiVersions && !header.is_supported()) {
    header.version =
        0;  // what the answer is written in; the body of the request is not read (KIP-511)
    co_return frame_of(header, co_await api_versions(context_, {}, call));
  }
  if (!header.is_supported()) {
    co_return make_error(Code::kInvalid, "API {} version {} is not supported",
                         static_cast<int>(header.api_key), header.version);
  }
  const std::span<const std::byte> body = frame.span().subspan(body_at);
  switch (header.api_key) {
    case ApiKey::kApiVersions:
      co_return co_await answer(api_versions, context_, header, body, std::move(call));
    case ApiKey::kCreateTopics:
      co_return co_await answer(create_topics, context_, header, body, std::move(call));
    case ApiKey::kDeleteRecords:
      co_return co_await answer(delete_records, context_, header, body, std::move(call));
    case ApiKey::kDeleteTopics:
      co_return co_await answer(delete_topics, context_, header, body, std::move(call));
    case ApiKey::kFetch:
      co_return co_await answer(fetch, context_, header, body, std::move(call));
    case ApiKey::kFindCoordinator:
      co_return co_await answer(find_coordinator, context_, header, body, std::move(call));
    case ApiKey::kListOffsets:
      co_return co_await answer(list_offsets, context_, header, body, std::move(call));
    case ApiKey::kMetadata:
      co_return co_await answer(metadata, context_, header, body, std::move(call));
    case ApiKey::kProduce:
      co_return co_await answer(produce, context_, header, body, std::move(call));
  }
  co_return make_error(Code::kInvalid, "API {} is not supported", static_cast<int>(header.api_key));
}

runtime::Task<void> Connection::write_loop() {
  while (true) {
    while (in_flight_.empty() || !in_flight_.front()->is_done) {
      if (has_failed_ || (in_flight_.empty() && !is_reading_)) {
        co_return;
      }
      co_await changed_.wait(runtime::Deadline::never());
    }
    const InFlightPtr finished = in_flight_.front();
    if (!finished->response.empty() && !has_failed_) {
      const auto sent = co_await send(stream_, finished->response);
      if (!sent.ok()) {
        has_failed_ = true;
        stream_.cancel();  // ends the read too
      }
    }
    in_flight_.pop_front();
    changed_.notify_all();
  }
}

void Connection::fail(const Error& error) {
  if (!has_failed_) {
    log::info("kafka", "connection from {} closed: {}", stream_.peer(), error.message);
  }
  has_failed_ = true;
  stream_.cancel();
  changed_.notify_all();
}

}  // namespace millrace::kafka
