#include "base/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace millrace {
namespace {

prometheus::MetricType type_of(bool is_counter, const Distribution* distribution) {
  if (distribution != nullptr) {
    return prometheus::MetricType::Histogram;
  }
  return is_counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
}

prometheus::ClientMetric metric_of(const Distribution& distribution) {
  prometheus::ClientMetric metric;
  for (const Distribution::Counted& counted : distribution.counts()) {
    metric.histogram.bucket.push_back({counted.up_to, counted.bound});
    metric.histogram.sample_count = counted.up_to;
  }
  metric.histogram.sample_sum = distribution.sum();
  return metric;
}

}  // namespace

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

void Metrics::add_histogram(std::string name, std::string help, const Distribution& distribution) {
  MutexLock lock(mutex_);
  Family& family = families_[std::move(name)];
  family.kind = Kind::kHistogram;
  family.help = std::move(help);
  family.distribution = &distribution;
}

void Metrics::add_gauges(std::string name, std::string help, ReadAll read) {
  MutexLock lock(mutex_);
  Family& family = families_[std::move(name)];
  family.kind = Kind::kGauge;
  family.help = std::move(help);
  family.read_all = std::move(read);
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
    family.type = type_of(is_counter, ours.distribution);
    if (ours.distribution != nullptr) {
      family.metric.push_back(metric_of(*ours.distribution));
    }
    const auto add_member = [&](const Labels& labels, double value) {
      prometheus::ClientMetric& metric = family.metric.emplace_back();
      for (const auto& [label, text] : labels) {
        metric.label.push_back({label, text});
      }
      (is_counter ? metric.counter.value : metric.gauge.value) = value;
    };
    for (const Member& member : ours.members) {
      add_member(member.labels, member.read());
    }
    if (ours.read_all) {
      for (const auto& [labels, value] : ours.read_all()) {
        add_member(labels, value);
      }
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace millrace
