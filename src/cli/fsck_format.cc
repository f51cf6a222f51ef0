#include "cli/fsck_format.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>

namespace millrace::cli {
namespace {

using fsck::Finding;
using fsck::Kind;
using fsck::Report;
using nlohmann::ordered_json;

std::string counted(uint64_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// "1.2 GB"
std::string bytes_text(uint64_t bytes) {
  constexpr std::array kUnits = {"bytes", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1000 && unit + 1 < kUnits.size(); ++unit) {
    value /= 1000;
  }
  return unit == 0 ? fmt::format("{} bytes", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

const char* name_of(Kind kind) {
  return kind == Kind::kDamage ? "damage" : "leftover";
}

}  // namespace

ordered_json describe(const Finding& finding, const Report& report) {
  ordered_json out{
      {"type", name_of(finding.kind)}, {"problem", finding.problem}, {"file", finding.file}};
  if (finding.position) {
    out["position"] = *finding.position;
  }
  out["what"] = finding.what;
  out["touched"] = ordered_json::array();
  for (const fsck::Touched& range : finding.touched) {
    ordered_json touched;
    const auto name = report.names.find(range.partition.topic);
    if (name != report.names.end()) {
      touched["topic"] = name->second;
    }
    touched["topic_id"] = range.partition.topic.to_string();
    touched["partition"] = range.partition.partition.value;
    touched["first"] = range.first.value;
    touched["last"] = range.next.value - 1;
    out["touched"].push_back(std::move(touched));
  }
  out["advice"] = finding.advice;
  return out;
}

ordered_json describe_summary(const Report& report, const std::string& data) {
  return {{"type", "summary"},
          {"data", data},
          {"journal_files", report.journal_files},
          {"objects", report.objects},
          {"table_files", report.table_files},
          {"bytes", report.bytes},
          {"damage", report.count(Kind::kDamage)},
          {"leftovers", report.count(Kind::kLeftover)},
          {"repaired", report.repaired},
          {"unchecked", report.unchecked}};
}

std::string to_text(const Finding& finding, const Report& report) {
  std::string text =
      fmt::format("{} ({}): {}", name_of(finding.kind), finding.problem, finding.file);
  if (finding.position) {
    text += fmt::format(" at {}", *finding.position);
  }
  text += ": " + finding.what;
  for (const fsck::Touched& range : finding.touched) {
    const auto name = report.names.find(range.partition.topic);
    text +=
        fmt::format("\n  touches offsets {} to {} of partition {} of topic {}", range.first,
                    range.next.value - 1, range.partition.partition,
                    name != report.names.end() ? name->second : range.partition.topic.to_string());
  }
  return text + "\n  to do: " + finding.advice;
}

std::string summary_text(const Report& report, const std::string& data) {
  const size_t damage = report.count(Kind::kDamage);
  const size_t leftovers = report.count(Kind::kLeftover);
  std::string text;
  for (const std::string& what : report.unchecked) {
    text += "not checked: " + what + "\n";
  }
  text += fmt::format(
      "{}: {}, {}, {}, {} read: {}", data, counted(report.journal_files, "journal file"),
      counted(report.objects, "object"), counted(report.table_files, "table file"),
      bytes_text(report.bytes),
      damage == 0 ? "no damage" : fmt::format("damage in {}", counted(damage, "place")));
  if (leftovers != 0) {
    text += ", " + counted(leftovers, "leftover");
  }
  if (report.repaired != 0) {
    text += fmt::format(", {} of them removed", report.repaired);
  }
  return text;
}

}  // namespace millrace::cli
