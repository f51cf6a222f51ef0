#include "segment/partition_index.h"

#include "bytes/codec.h"
#include "bytes/crc32c.h"
#include "bytes/cursor.h"

#include <algorithm>

namespace millrace::segment {
namespace {

void put_batch(bytes::Writer& out, const BatchEntry& entry) {
  out.le(entry.base.value);
  out.le(entry.offsets);
  out.le(entry.bytes);
  out.le(entry.max_timestamp_ms);
  out.le(entry.crc);
  out.le(entry.attributes);
  out.le(entry.producer_epoch);
  out.le(entry.producer_id);
  out.le(entry.base_sequence);
  out.le(entry.records);
}

BatchEntry read_batch(bytes::Reader& in) {
  BatchEntry entry;
  entry.base = Offset{in.le<int64_t>()};
  entry.offsets = in.le<uint32_t>();
  entry.bytes = in.le<uint32_t>();
  entry.max_timestamp_ms = in.le<int64_t>();
  entry.crc = in.le<uint32_t>();
  entry.attributes = in.le<uint16_t>();
  entry.producer_epoch = in.le<int16_t>();
  entry.producer_id = in.le<int64_t>();
  entry.base_sequence = in.le<int32_t>();
  entry.records = in.le<uint32_t>();
  return entry;
}

void put_producer(bytes::Writer& out, const ProducerSnapshot& producer) {
  out.le(producer.id);
  out.le(producer.epoch);
  out.le(static_cast<uint16_t>(producer.batches.size()));
  for (const auto& batch : producer.batches) {
    out.le(batch.base.value);
    out.le(batch.first_sequence);
    out.le(batch.last_sequence);
    out.le(batch.max_timestamp_ms);
  }
}

ProducerSnapshot read_producer(bytes::Reader& in) {
  ProducerSnapshot producer;
  producer.id = in.le<int64_t>();
  producer.epoch = in.le<int16_t>();
  const auto batches = in.le<uint16_t>();
  if (batches > ProducerSnapshot::kMaxBatches) {
    in.fail("more batches than a snapshot keeps");
  }
  for (uint16_t i = 0; i < batches && in.ok(); ++i) {
    auto& batch = producer.batches.emplace_back();
    batch.base = Offset{in.le<int64_t>()};
    batch.first_sequence = in.le<int32_t>();
    batch.last_sequence = in.le<int32_t>();
    batch.max_timestamp_ms = in.le<int64_t>();
  }
  return producer;
}

/// `count` of a kind, of at least `least` bytes each: no more are made room for than can be there.
template <typename Item, typename Read>
std::vector<Item> read_items(bytes::Reader& in, uint32_t count, size_t least, Read&& read) {
  std::vector<Item> items;
  if (count > in.remaining() / least) {
    in.fail("truncated");
    return items;
  }
  items.reserve(count);
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    items.push_back(read(in));
  }
  return items;
}

Status check_batches(const PartitionRow& row, const std::vector<BatchEntry>& batches) {
  Offset at = row.first;
  uint64_t bytes = 0;
  int64_t newest = -1;
  for (const BatchEntry& entry : batches) {
    if (entry.base != at || entry.offsets == 0 || entry.bytes == 0 ||
        entry.records > entry.offsets || entry.offsets > row.next - at) {
      return make_error(Code::kCorrupt,
                        "the batch at offset {} contradicts those beside it, expected offset {}",
                        entry.base, at);
    }
    at = entry.next();
    bytes += entry.bytes;
    newest = std::max(newest, entry.max_timestamp_ms);
  }
  if (at != row.next || bytes != row.data_bytes || newest != row.max_timestamp_ms) {
    return make_error(Code::kCorrupt,
                      "batches up to offset {} of {} bytes, the partition's row says {} and {}", at,
                      bytes, row.next, row.data_bytes);
  }
  return {};
}

}  // namespace

void PartitionState::go_on(PartitionState following) {
  for (const AbortedTransaction& one : following.aborted) {
    if (std::ranges::find(aborted, one) == aborted.end()) {  // it has records in both
      aborted.push_back(one);
    }
  }
  std::ranges::sort(aborted, {}, &AbortedTransaction::last);
  producers = std::move(following.producers);
  open = std::move(following.open);
}

bytes::Buffer PartitionIndex::encode() const {
  bytes::Writer out(16 + batches.size() * kBatchEntryBytes);
  out.le(static_cast<uint32_t>(batches.size()));
  out.le(static_cast<uint32_t>(state.aborted.size()));
  out.le(static_cast<uint32_t>(state.producers.size()));
  out.le(static_cast<uint32_t>(state.open.size()));
  for (const BatchEntry& entry : batches) {
    put_batch(out, entry);
  }
  for (const AbortedTransaction& aborted : state.aborted) {
    out.le(aborted.producer_id);
    out.le(aborted.first.value);
    out.le(aborted.last.value);
  }
  for (const ProducerSnapshot& producer : state.producers) {
    put_producer(out, producer);
  }
  for (const OpenTransaction& open : state.open) {
    out.le(open.producer_id);
    out.le(open.first.value);
  }
  return std::move(out).finish();
}

Result<PartitionIndex> PartitionIndex::parse(const PartitionRow& row,
                                             std::span<const std::byte> bytes) {
  if (bytes.size() != row.index_bytes || bytes::crc32c(bytes) != row.index_crc) {
    return make_error(Code::kCorrupt, "the CRC of its index does not match");
  }
  std::vector<std::byte> unpacked;
  if (row.index_bytes < row.index_bytes_unpacked) {
    auto content = bytes::decompress(bytes::Codec::kZstd, bytes, row.index_bytes_unpacked);
    if (!content.ok() || content->size() != row.index_bytes_unpacked) {
      return make_error(Code::kCorrupt, "its index does not unpack to {} bytes",
                        row.index_bytes_unpacked);
    }
    unpacked = *std::move(content);
    bytes = unpacked;
  }
  bytes::Reader in(bytes);
  const auto batches = in.le<uint32_t>();
  const auto aborted = in.le<uint32_t>();
  const auto producers = in.le<uint32_t>();
  const auto open = in.le<uint32_t>();
  if (batches != row.batches) {
    in.fail("not as many batches as the row says");
  }
  PartitionIndex index;
  index.batches = read_items<BatchEntry>(in, batches, kBatchEntryBytes, read_batch);
  index.state.aborted = read_items<AbortedTransaction>(in, aborted, 24, [](bytes::Reader& from) {
    return AbortedTransaction{from.le<int64_t>(), Offset{from.le<int64_t>()},
                              Offset{from.le<int64_t>()}};
  });
  index.state.producers = read_items<ProducerSnapshot>(in, producers, 12, read_producer);
  index.state.open = read_items<OpenTransaction>(in, open, 16, [](bytes::Reader& from) {
    return OpenTransaction{from.le<int64_t>(), Offset{from.le<int64_t>()}};
  });
  if (in.remaining() > 0) {
    in.fail("bytes behind its end");
  }
  MILLRACE_TRY_STATUS(in.status("its index", Code::kCorrupt));
  MILLRACE_TRY_STATUS(check_batches(row, index.batches));
  return index;
}

}  // namespace millrace::segment
