// What the broker keeps in the catalog: topics, tombstones, ranges of partitions.
#include "base/log.h"
#include "broker/broker.h"
#include "runtime/coroutine.h"

namespace millrace::broker {

catalog::TopicRow row_of(const TopicRecord& record) {
  return {.id = record.id,
          .name = record.name,
          .partitions = record.partitions,
          .is_deleted = record.is_deleted,
          .created_ms = record.created_ms,
          .settings = record.settings.to_map()};
}

catalog::BrokerPart Broker::catalog_part() const {
  // The place first: what is read after it is at least as new.
  catalog::BrokerPart part{.place = log_.place()};
  std::vector<TopicPtr> topics;
  {
    // At once: a topic that is deleted meanwhile is a topic or a tombstone, not both.
    MutexLock lock(mutex_);
    for (const auto& [name, topic] : by_name_) {
      part.topics.push_back(row_of(topic->record));
      topics.push_back(topic);
    }
    for (const auto& [id, record] : tombstones_) {
      part.topics.push_back(row_of(record));
    }
  }
  for (const TopicPtr& topic : topics) {
    for (const auto& partition : topic->partitions) {
      const record::PartitionRange range = partition->range();
      part.partitions.push_back({partition->id(), range.start, range.end});
    }
  }
  return part;
}

runtime::Task<bool> Broker::write_catalog(catalog::Catalog& catalog, runtime::BlockingPool& pool) {
  if (log_.is_poisoned()) {
    co_return false;
  }
  const auto collect = [this] { return Result<catalog::BrokerPart>(catalog_part()); };
  const auto part = co_await pool.run(collect);
  const Status synced = co_await log_.sync();  // the catalog names durable offsets only
  const auto write = [&]() -> Status {
    if (!part.ok() || !synced.ok()) {
      return part.ok() ? synced.error() : part.error();
    }
    MILLRACE_TRY_STATUS(catalog.commit_broker(*part));
    log_.hold("broker", part->place.file);
    return {};
  };
  if (const auto written = co_await pool.run(write); !written.ok()) {
    log::warning("broker", "its part of the catalog was not written, tried again later: {}",
                 written.error().message);
    co_return false;
  }
  co_return true;
}

}  // namespace millrace::broker
