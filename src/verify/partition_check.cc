#include "verify/partition_check.h"

#include "bytes/crc32c.h"
#include "bytes/hash.h"

#include <algorithm>
#include <limits>

namespace millrace::verify {
namespace {

constexpr size_t kCrcFrom = 21;                   // the CRC covers the batch from here on
constexpr size_t kMostContent = size_t{1} << 30;  // of one batch, decompressed

int64_t ms(TimestampMs time) {
  return time.time_since_epoch().count();
}

void put(bytes::Writer& out, const std::optional<std::span<const std::byte>>& bytes) {
  out.le(bytes ? static_cast<int64_t>(bytes->size()) : int64_t{-1});
  if (bytes) {
    out.bytes(*bytes);
  }
}

}  // namespace

void PartitionCheck::fault(Offset offset, std::string what) {
  ++fault_count_;
  if (faults_.size() < kMostFaults) {
    faults_.push_back({offset, std::move(what)});
  }
}

Result<bool> PartitionCheck::take(std::span<const std::byte> batches) {
  bool has_taken = false;
  while (!is_done() && batches.size() >= record::kBatchHeaderSize) {
    const auto header = record::parse_header(batches);
    if (!header.ok() || header->last_offset_delta < 0 || header->base_offset.value < 0) {
      if (has_taken) {
        break;  // it is met again at the head of the next answer
      }
      return header.ok()
                 ? make_error(Code::kCorrupt, "the batch header has offset {} and last delta {}",
                              header->base_offset, header->last_offset_delta)
                 : header.error();
    }
    if (header->size() > batches.size()) {
      break;
    }
    take_batch({*header, batches.first(header->size())});
    batches = batches.subspan(header->size());
    has_taken = true;
  }
  return has_taken;
}

/// false: it is not of the offsets that are looked at.
bool PartitionCheck::check_place(const record::BatchHeader& header) {
  if (header.base_offset >= end_) {
    fault(next_, fmt::format("offsets {} to {} are missing: the next batch begins at {}", next_,
                             end_.value - 1, header.base_offset));
    next_ = end_;
    return false;
  }
  if (header.base_offset > next_) {
    fault(next_, fmt::format("offsets {} to {} are missing: the next batch begins at {}", next_,
                             header.base_offset.value - 1, header.base_offset));
  } else if (header.base_offset < next_ && !may_begin_before_) {
    fault(header.base_offset, fmt::format("offsets {} to {} come again", header.base_offset,
                                          std::min(next_.value - 1, header.last_offset().value)));
  }
  return header.last_offset() >= next_;
}

void PartitionCheck::take_batch(const record::BatchView& batch) {
  const record::BatchHeader& header = batch.header;
  if (!check_place(header)) {
    return;
  }
  may_begin_before_ = false;
  ++sums_.batches;
  sums_.bytes += batch.bytes.size();
  const uint32_t crc = bytes::crc32c(batch.bytes.subspan(kCrcFrom));
  if (crc != header.crc) {
    fault(header.base_offset,
          fmt::format("the batch of {} bytes has CRC {:#010x}, its header says {:#010x}",
                      batch.bytes.size(), crc, header.crc));
  } else if (header.is_filler()) {
    add_filler({std::max(header.base_offset, next_), header.last_offset() + 1});
  } else {
    check_sequence(header);
    check_records(batch);
  }
  next_ = header.last_offset() + 1;
}

void PartitionCheck::add_filler(Range range) {
  if (!sums_.fillers.empty() && sums_.fillers.back().next == range.first) {
    sums_.fillers.back().next = range.next;
  } else {
    sums_.fillers.push_back(range);
  }
}

/// KIP-98: sequences go on by one a record, and from the greatest to 0.
void PartitionCheck::check_sequence(const record::BatchHeader& header) {
  if (!header.has_producer() || header.is_control() || header.base_sequence < 0) {
    return;
  }
  const auto next =
      static_cast<int32_t>((int64_t{header.base_sequence} + header.last_offset_delta + 1) &
                           std::numeric_limits<int32_t>::max());
  const auto [known, is_new] =
      sequences_.try_emplace({header.producer_id, header.producer_epoch}, next);
  if (!is_new && known->second != header.base_sequence) {
    fault(header.base_offset,
          fmt::format("producer {} epoch {}: sequence {} where {} is due", header.producer_id,
                      header.producer_epoch, header.base_sequence, known->second));
  }
  known->second = next;
}

void PartitionCheck::check_records(const record::BatchView& batch) {
  const record::BatchHeader& header = batch.header;
  const auto wrong = [&](std::string what) { fault(header.base_offset, std::move(what)); };
  if (!header.is_control() && header.last_offset_delta != header.record_count - 1) {
    wrong(fmt::format("the batch header says {} records and a last offset delta of {}",
                      header.record_count, header.last_offset_delta));
  }
  auto reader = record::RecordReader::open(batch, kMostContent);
  if (!reader.ok()) {
    return wrong(reader.error().message);
  }
  record::Record record;
  int64_t due = 0;
  bool is_in_order = true;
  TimestampMs newest = TimestampMs::min();
  while (reader->next(record)) {
    const int64_t delta = record.offset - header.base_offset;
    is_in_order &=
        header.is_control() ? delta >= due && delta <= header.last_offset_delta : delta == due;
    due = delta + 1;
    newest = std::max(newest, record.timestamp);
    if (!header.is_control() && record.offset >= next_ && record.offset < end_) {
      ++sums_.records;
      add_to_digest(record);
    }
  }
  sums_.control += header.is_control() ? 1 : 0;
  if (const Status whole = reader->status(); !whole.ok()) {
    return wrong(whole.error().message);
  }
  if (!is_in_order) {
    wrong("the offset deltas of its records do not go on by one");
  }
  if (newest != header.max_timestamp) {
    wrong(fmt::format("the batch header says {} is its greatest timestamp, its records say {}",
                      ms(header.max_timestamp), ms(newest)));
  }
}

void PartitionCheck::add_to_digest(const record::Record& record) {
  encoded_.clear();
  encoded_.bytes(std::as_bytes(std::span(sums_.digest)));
  encoded_.le(record.offset.value);
  encoded_.le(ms(record.timestamp));
  put(encoded_, record.key);
  put(encoded_, record.value);
  encoded_.le(static_cast<uint64_t>(record.headers.size()));
  for (const record::Header& header : record.headers) {
    put(encoded_, bytes::as_bytes(header.key));
    put(encoded_, header.value);
  }
  sums_.digest = bytes::hash128(encoded_.view());
}

}  // namespace millrace::verify
