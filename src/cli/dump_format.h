// One line of `millrace dump` for each run, frame and record: JSON, or "type name=value ...".
#pragma once

#include "journal/format.h"
#include "record/record_reader.h"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <span>
#include <string>

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

/// A line of JSON; bytes that are no UTF-8 come out as U+FFFD.
std::string to_json_line(const nlohmann::ordered_json& described);
/// "run file=1 position=4096 ...": the type, then every field, texts in quotes where they need it.
std::string to_text_line(const nlohmann::ordered_json& described);

}  // namespace millrace::cli
