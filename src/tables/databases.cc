#include "tables/databases.h"

#include "runtime/coroutine.h"
#include "tables/database_frame.h"
#include "tables/table_name.h"

namespace millrace::tables {

Status Databases::take() {
  const MutexLock lock(mutex_);
  for (const auto& frame : log_.recovered(record::SystemKind::kDatabase)) {
    MILLRACE_TRY(auto fact, database_fact_from(frame));
    names_.insert(std::move(fact.name));
  }
  return {};
}

Status Databases::admit(const std::string& name) const {
  MILLRACE_TRY_STATUS(validate({name, "x"}));
  const MutexLock lock(mutex_);
  if (names_.size() >= kMostDatabases && !names_.contains(name)) {
    return make_error(Code::kTooLarge, "there are {} databases without tables, no more are created",
                      names_.size());
  }
  return {};
}

runtime::Task<Status> Databases::create(std::string name) {
  MILLRACE_CO_TRY_STATUS(admit(name));
  if (names().contains(name)) {
    co_return Status{};
  }
  record::CommitRequest request;
  request.system.push_back(
      to_frame({.name = name, .created_ms = clock_.wall_ms().time_since_epoch().count()}));
  const auto committed = co_await log_.commit(std::move(request));
  if (!committed.ok()) {
    co_return committed.error();
  }
  const MutexLock lock(mutex_);
  names_.insert(std::move(name));
  co_return Status{};
}

std::set<std::string> Databases::names() const {
  const MutexLock lock(mutex_);
  return names_;
}

}  // namespace millrace::tables
