// One line of `millrace dump` for each run, frame and record: JSON, or "type name=value ...".
#pragma once

#include "journal/format.h"
#include "record/record_reader.h"
#include "segment/segment.h"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <span>
#include <string>
#include <vector>

namespace millrace::cli {

/// Names of the topics whose system frames were seen so far.
using TopicNames = std::map<TopicId, std::string>;

nlohmann::ordered_json describe_run(const journal::RunHeader& header);
/// The frame's header and, of its payload, the batch's: codec, attributes, producer. "error" says
/// what is wrong with a payload that is no batch.
nlohmann::ordered_json describe_batch(const journal::FrameHeader& frame,
                                      std::span<const std::byte> payload, const TopicNames& names);
/// Puts the name of a topic's frame into `names`.
nlohmann::ordered_json describe_system(std::span<const std::byte> payload, TopicNames& names);
nlohmann::ordered_json describe_record(const record::Record& record);

/// An object by its footer; `header`: null where that is damaged.
nlohmann::ordered_json describe_object(const segment::Segment& object, const std::string& file,
                                       const segment::Header* header);
/// A topic as it was when the object was made; puts its name into `names`.
nlohmann::ordered_json describe_topic(const segment::TopicEntry& entry, TopicNames& names);
/// What an object has of one partition.
nlohmann::ordered_json describe_part(const segment::PartitionRow& row, const TopicNames& names);
/// A line each for producers, aborted and open transactions: what the object says of the partition
/// behind the last of its batches.
std::vector<nlohmann::ordered_json> describe_state(const segment::PartitionRow& row,
                                                   const segment::PartitionState& state,
                                                   const TopicNames& names);
/// A batch of an object as a journal would have it.
journal::FrameHeader frame_of(const segment::PartitionRow& row, const segment::BatchEntry& entry);

/// A line of JSON; bytes that are no UTF-8 come out as U+FFFD.
std::string to_json_line(const nlohmann::ordered_json& described);
/// "run file=1 position=4096 ...": the type, then every field, texts in quotes where they need it.
std::string to_text_line(const nlohmann::ordered_json& described);

}  // namespace millrace::cli
