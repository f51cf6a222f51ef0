#include "objects/read_ahead.h"

#include <algorithm>

namespace millrace::objects {
namespace {

void move_average(double& average, double value) {
  constexpr double kShare = 1.0 / 8;
  average = average == 0 ? value : average + (value - average) * kShare;
}

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

void RemoteSpeed::add_answer(std::chrono::nanoseconds took) {
  MutexLock lock(mutex_);
  move_average(latency_s_, seconds(took));
}

void RemoteSpeed::add_read(uint64_t bytes, std::chrono::nanoseconds took) {
  constexpr double kLeastShare = 1.0 / 8;  // of its time that a read is taken to bring bytes
  MutexLock lock(mutex_);
  const double all = seconds(took);
  const double bringing = std::max(all - latency_s_, all * kLeastShare);
  if (bringing > 0) {
    move_average(bytes_per_second_, static_cast<double>(bytes) / bringing);
  }
}

uint64_t RemoteSpeed::bytes_on_the_way() const {
  MutexLock lock(mutex_);
  return static_cast<uint64_t>(bytes_per_second_ * latency_s_);
}

uint64_t ReadAhead::block_end(uint64_t position) const {
  return (position + block_bytes_ - 1) / block_bytes_ * block_bytes_;
}

ReadAhead::Order ReadAhead::add(uint64_t position, uint64_t bytes, uint64_t on_the_way) {
  const uint64_t end = position + bytes;
  const auto goes_on = [&](const Stream& stream) {
    return stream.end != 0 && stream.begin <= position && position <= stream.end;
  };
  ++reads_;
  const auto found = std::ranges::find_if(streams_, goes_on);
  if (found == streams_.end()) {
    *std::ranges::min_element(streams_, {}, &Stream::used_at) = {
        .begin = position, .end = end, .used_at = reads_};
    return {};
  }
  Stream& stream = *found;
  stream.used_at = reads_;
  if (end <= stream.end) {  // the same once more, or a part of it
    return {};
  }
  stream.begin = position;
  stream.end = end;
  const uint64_t least = std::min(std::max(kLeastBlocks * block_bytes_, on_the_way), max_bytes_);
  if (stream.ordered_to >= object_bytes_ || stream.ordered_to >= end + least) {
    return {};
  }
  stream.order_bytes =
      std::min(std::clamp(2 * stream.order_bytes, least, kMostKept * least), max_bytes_);
  const Order order{.begin = block_end(std::max(end, stream.ordered_to)),
                    .end = std::min(block_end(end + stream.order_bytes), object_bytes_)};
  if (order.begin >= order.end) {
    return {};
  }
  stream.ordered_to = order.end;
  return order;
}

}  // namespace millrace::objects
