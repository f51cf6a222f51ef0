// What the model of the journal writes: its partitions, and batches that tell where they belong.
#pragma once

#include "base/ids.h"
#include "bytes/buffer.h"

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace millrace::journal {

inline constexpr int kPartitions = 8;
inline constexpr int kFirstInterval = 6;  // of these, the topic is durability=interval

/// Its topic is durability=interval.
inline bool is_interval(TopicPartition partition) {
  return partition.topic.bytes[0] > kFirstInterval / 3;
}

inline TopicPartition partition_of(uint64_t n) {
  TopicPartition partition;
  partition.topic.bytes[0] = static_cast<uint8_t>(1 + n / 3);
  partition.partition = PartitionId{static_cast<int32_t>(n % 3)};
  return partition;
}

/// A payload that tells its commit, its place in the commit, and every byte of itself.
inline bytes::Buffer payload_of(uint64_t id, size_t batch) {
  std::mt19937_64 random(id * 31 + batch);
  const uint64_t shape = random() % 16;
  const size_t size = 16 + (shape == 0  ? random() % 150'000
                            : shape < 4 ? random() % 9000
                                        : random() % 300);
  std::vector<std::byte> bytes(size);
  std::memcpy(bytes.data(), &id, 8);
  std::memcpy(bytes.data() + 8, &batch, 8);
  for (size_t i = 16; i + 8 <= size; i += 8) {
    const uint64_t word = random();
    std::memcpy(bytes.data() + i, &word, 8);
  }
  return bytes::Buffer::copy_of(bytes);
}

inline uint64_t id_in(const bytes::Buffer& payload) {
  uint64_t id = 0;
  std::memcpy(&id, payload.data(), 8);
  return id;
}

inline size_t batch_in(const bytes::Buffer& payload) {
  size_t batch = 0;
  std::memcpy(&batch, payload.data() + 8, 8);
  return batch;
}

}  // namespace millrace::journal
