#include "query/query_context.h"

namespace millrace::query {

Result<TopicExtent> QueryContext::topic(const std::string& name) {
  const MutexLock lock(mutex_);
  const auto known = extents_.find(name);
  if (known != extents_.end()) {
    return known->second;
  }
  MILLRACE_TRY(auto extent, topics_.find(name));
  extents_[name] = extent;
  return extent;
}

void QueryContext::fail(Error error) {
  const MutexLock lock(mutex_);
  if (!error_) {
    error_ = std::move(error);
  }
}

std::optional<Error> QueryContext::error() const {
  const MutexLock lock(mutex_);
  return error_;
}

void QueryContexts::add(uint64_t connection, std::shared_ptr<QueryContext> context) {
  const MutexLock lock(mutex_);
  contexts_[connection] = std::move(context);
}

void QueryContexts::remove(uint64_t connection) {
  const MutexLock lock(mutex_);
  contexts_.erase(connection);
}

std::shared_ptr<QueryContext> QueryContexts::find(uint64_t connection) const {
  const MutexLock lock(mutex_);
  const auto found = contexts_.find(connection);
  return found == contexts_.end() ? nullptr : found->second;
}

}  // namespace millrace::query
