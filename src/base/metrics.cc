#include "base/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace millrace {

void Metrics::add_counter(std::string name, std::string help, Labels labels, Read read) {
  add(Kind::kCounter, std::move(name), std::move(help), std::move(labels), std::move(read));
}

void Metrics::add_gauge(std::string name, std::string help, Labels labels, Read read) {
  add(Kind::kGauge, std::move(name), std::move(help), std::move(labels), std::move(read));
}

void Metrics::add(Kind kind, std::string name, std::string help, Labels labels, Read read) {
  MutexLock lock(mutex_);
  Family& family = families_[std::move(name)];
  family.kind = kind;
  family.help = std::move(help);
  family.members.push_back({std::move(labels), std::move(read)});
}

std::string Metrics::text() const {
  std::vector<prometheus::MetricFamily> families;
  MutexLock lock(mutex_);
  families.reserve(families_.size());
  for (const auto& [name, ours] : families_) {
    prometheus::MetricFamily& family = families.emplace_back();
    family.name = name;
    family.help = ours.help;
    const bool is_counter = ours.kind == Kind::kCounter;
    family.type = is_counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
    for (const Member& member : ours.members) {
      prometheus::ClientMetric& metric = family.metric.emplace_back();
      for (const auto& [label, value] : member.labels) {
        metric.label.push_back({label, value});
      }
      (is_counter ? metric.counter.value : metric.gauge.value) = member.read();
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace millrace
