// Objects of many small parts, for tests of what merges them.
#pragma once

#include "broker/merger.h"
#include "broker/parts_test.h"
#include "segment/segment.h"
#include "segment/segment_writer.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace millrace::broker {

class MergerTest : public HistoryPartsTest {
 protected:
  static TopicPartition id(int32_t number) { return {segment::topic_of(1), PartitionId{number}}; }

  MergerTest() { settings_.retention_ms = -1; }

  void start() override {
    open_parts(512 * kKiB);
    const auto topic = [this](const TopicId& topic_id) {
      return ended_.contains(topic_id)
                 ? std::nullopt
                 : std::optional(ArchivedTopic{{topic_id, "topic now", ""}, settings_});
    };
    const auto wishes = [this] {
      return SegmentWishes{[this](const TopicId& topic_id) {
                             return ended_.contains(topic_id) ? std::nullopt
                                                              : std::optional(settings_);
                           },
                           [](TopicPartition) { return uint64_t{0}; },
                           [this](TopicPartition partition) {
                             const auto found = deleted_below_.find(partition);
                             return found == deleted_below_.end() ? Offset{0} : found->second;
                           }};
    };
    merger_ = std::make_unique<Merger>(
        SegmentMakerParts{*log_, *catalog_, store_, *history_, *pool_, clock_, topic}, rules_,
        wishes);
  }

  void stop() override {
    merger_.reset();
    close_parts();
  }

  /// As long for every offset.
  static record::StoredBatch batch_at(TopicPartition partition, Offset offset, size_t bytes,
                                      int64_t time_ms) {
    return segment::batch_of(offset,
                             fmt::format("{:3}/{:6} {}", partition.partition.value, offset.value,
                                         std::string(bytes, 'v')),
                             1, time_ms);
  }

  struct Part {
    int32_t partition = 0;
    int batches = 1;
    size_t bytes = 1000;  // of a value
    segment::PartitionState state = {};
  };

  /// Puts an object into the store, and into the catalog and the history.
  std::string add(const std::vector<Part>& parts) {
    const segment::Header header{log_->directory_id(), segment::ObjectId(Uuid::random()), now_ms()};
    const std::string name = parts.size() == 1
                                 ? segment::segment_name(header.object, id(parts.front().partition),
                                                         ends_[id(parts.front().partition)])
                                 : segment::mixed_name(header.object);
    auto writer = segment::SegmentWriter::begin(memory_.create(name).value(), header).value();
    for (const Part& part : parts) {
      const TopicPartition partition = id(part.partition);
      writer.begin_partition(partition, {partition.topic, "topic then", ""});
      for (int i = 0; i < part.batches; ++i) {
        Offset& end = ends_[partition];
        const auto batch = batch_at(partition, end, part.bytes, now_ms());
        values_[partition][end] = bytes::as_text(batch.payload);
        times_[partition][end] = now_ms();
        EXPECT_TRUE(writer.add(batch).ok());
        end = end + 1;
      }
      EXPECT_TRUE(writer.end_partition(part.state).ok());
    }
    const auto made = writer.publish().value();
    catalog::SegmentsCommit commit;
    auto& row = commit.added.emplace_back(
        catalog::SegmentRow{made.object, name, made.bytes, header.created_ms, {}});
    for (const auto& part : made.partitions) {
      row.parts.push_back(
          {part.partition, part.first, part.next, part.max_timestamp_ms, part.data_bytes});
      written_ += part.data_bytes;
    }
    const Status committed = catalog_->commit_segments(commit);
    EXPECT_TRUE(committed.ok()) << committed.error().message;
    history_->apply(commit);
    return name;
  }

  Result<Merger::Merged> merge(runtime::CancelToken stop = {}) {
    auto merged = run(merger_->merge(std::move(stop)));
    if (merged.ok()) {
      for (const auto& object : merged->replaced) {
        replaced_.push_back(object->name);
      }
    }
    return merged;
  }

  /// Until nothing is due; then nobody reads what was replaced.
  void merge_all() {
    for (int turns = 0;; ++turns) {
      ASSERT_LT(turns, 1000) << "it has no end";
      const auto merged = merge();
      ASSERT_TRUE(merged.ok()) << merged.error().message;
      if (!merged->is_more) {
        break;
      }
    }
    for (const std::string& name : replaced_) {
      ASSERT_TRUE(memory_.remove(name).ok()) << name;
    }
    replaced_.clear();
  }

  /// Everything that was added is read at its offset and by its time, from `starts` on.
  void expect_whole(const std::map<int32_t, int64_t>& starts = {}) {
    for (const auto& [partition, values] : values_) {
      const auto start = starts.find(partition.partition.value);
      const Offset from{start == starts.end() ? 0 : start->second};
      const auto range = history_->range(partition);
      ASSERT_EQ(range.has_value(), from < ends_[partition]);
      if (!range) {
        continue;
      }
      ASSERT_EQ(range->start, from);
      ASSERT_EQ(range->end, ends_[partition]);
      for (Offset at = range->start; at < range->end; at = at + 1) {
        const auto batches = history_->read(partition, at, 1);
        ASSERT_TRUE(batches.ok()) << batches.error().message;
        ASSERT_EQ(batches->front().base_offset, at);
        ASSERT_EQ(bytes::as_text(batches->front().payload), values.at(at));
        const auto found =
            history_->find_timestamp(partition, range->start, times_[partition].at(at));
        ASSERT_TRUE(found.ok() && *found);
        ASSERT_EQ((*found)->max_timestamp_ms, times_[partition].at(at));
        ASSERT_LE((*found)->base_offset, at);
      }
    }
  }

  size_t objects() const { return history_->segments().size(); }

  MergeRules rules_{.bytes = 64 * kKiB, .least_segment = 8 * kKiB, .age = std::chrono::minutes(5)};
  TopicSettings settings_;
  std::set<TopicId> ended_;
  std::map<TopicPartition, Offset> deleted_below_;
  uint64_t written_ = 0;  // by add()
  std::map<TopicPartition, Offset> ends_;
  std::map<TopicPartition, std::map<Offset, std::string>> values_;
  std::map<TopicPartition, std::map<Offset, int64_t>> times_;
  std::vector<std::string> replaced_;
  std::unique_ptr<Merger> merger_;
};

}  // namespace millrace::broker
