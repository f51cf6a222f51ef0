// What `millrace fsck` prints: findings and the summary, as text or JSON.
#pragma once

#include "fsck/report.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace millrace::cli {

nlohmann::ordered_json describe(const fsck::Finding& finding, const fsck::Report& report);
nlohmann::ordered_json describe_summary(const fsck::Report& report, const std::string& data);

/// "damage (payload): FILE at 4096: WHAT", then lines with the offsets and with what to do.
std::string to_text(const fsck::Finding& finding, const fsck::Report& report);
/// "DIR: 12 journal files, 3 objects, 1 table file, 1.2 GB read: no damage"
std::string summary_text(const fsck::Report& report, const std::string& data);

}  // namespace millrace::cli
