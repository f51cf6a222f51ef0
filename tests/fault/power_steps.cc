#include "power_steps.h"

#include "power_activity.h"

#include <algorithm>

namespace millrace::fault {
namespace {

constexpr std::string_view kRunMagic = "MRUN";      // docs/formats/journal.md
constexpr std::string_view kSegmentMagic = "MSEG";  // docs/formats/segment.md

bool begins_with(io::ConstBytes data, std::string_view magic) {
  return data.size() >= magic.size() &&
         std::ranges::equal(data.first(magic.size()), std::as_bytes(std::span(magic)));
}

bool is_journal_file(std::string_view path) {
  return shape_of(path) == "journal/#.log";
}

bool is_catalog_wal(std::string_view path) {
  return path.ends_with("/catalog.db-wal");
}

bool is_object(std::string_view path) {
  return path.find("/segments/") != std::string_view::npos && path.ends_with(".seg");
}

bool is_put(const PowerOperation& operation) {
  return operation.verb == "rename" && is_object(operation.to);
}

bool is_free(const PowerOperation& operation) {
  return (operation.verb == "remove" || operation.verb == "rename") &&
         is_journal_file(operation.path);
}

bool is_forget(const PowerOperation& operation) {
  return operation.verb == "remove" && is_object(operation.path);
}

std::string directory_of(std::string_view path) {
  return std::string(path.substr(0, path.rfind('/') + 1));
}

}  // namespace

PowerSteps::Match PowerSteps::sync_of(const std::string& change) {
  return [change](const PowerSteps& own, const PowerOperation& operation) {
    const auto found = own.changed_.find(operation.path);
    return operation.verb == "sync_directory" && found != own.changed_.end() &&
           found->second == change;
  };
}

const std::map<std::string, PowerSteps::Match>& PowerSteps::steps() {
  using Own = PowerSteps;
  using Operation = PowerOperation;
  static const std::map<std::string, Match> all{
      {"append",
       [](const Own&, const Operation& operation) {
         return operation.verb == "write" && is_journal_file(operation.path) &&
                begins_with(operation.data, kRunMagic);
       }},
      {"write",
       [](const Own&, const Operation& operation) {
         return operation.verb == "write" && is_journal_file(operation.path);
       }},
      {"sync",
       [](const Own&, const Operation& operation) {
         return operation.verb == "sync" && is_journal_file(operation.path);
       }},
      {"cut",
       [](const Own& own, const Operation& operation) {
         return operation.verb == "write" && own.unnamed_objects_.contains(operation.path);
       }},
      {"cut_sync",
       [](const Own& own, const Operation& operation) {
         return operation.verb == "sync" && own.unnamed_objects_.contains(operation.path);
       }},
      {"put", [](const Own&, const Operation& operation) { return is_put(operation); }},
      {"put_sync", sync_of("put")},
      {"commit",
       [](const Own&, const Operation& operation) {
         return operation.verb == "write" && is_catalog_wal(operation.path);
       }},
      {"commit_sync",
       [](const Own&, const Operation& operation) {
         return operation.verb == "sync" && is_catalog_wal(operation.path);
       }},
      {"free", [](const Own&, const Operation& operation) { return is_free(operation); }},
      {"free_sync", sync_of("free")},
      {"forget", [](const Own&, const Operation& operation) { return is_forget(operation); }},
      {"forget_sync", sync_of("forget")},
  };
  return all;
}

Status PowerSteps::arm(const std::string& step, bool is_after, uint64_t number) {
  const auto found = steps().find(step);
  if (found == steps().end() || number == 0) {
    return make_error(Code::kInvalid, "no step '{}', or none of number {}", step, number);
  }
  MutexLock lock(mutex_);
  match_ = found->second;
  is_after_ = is_after;
  left_ = number;
  return {};
}

void PowerSteps::stop() {
  MutexLock lock(mutex_);
  stop_locked();
}

void PowerSteps::stop_locked() {
  match_ = {};
  is_held_ = true;
  disk_.power_off();
}

void PowerSteps::release() {
  MutexLock lock(mutex_);
  is_held_ = false;
  released_.notify_all();
}

void PowerSteps::reset() {
  MutexLock lock(mutex_);
  is_held_ = false;
  match_ = {};
  unnamed_objects_.clear();
  changed_.clear();
  released_.notify_all();
}

bool PowerSteps::is_due(const PowerOperation& operation, bool is_after) {
  return match_ && is_after_ == is_after && match_(*this, operation) && --left_ == 0;
}

void PowerSteps::wait_locked() {
  while (is_held_) {
    released_.wait(mutex_);
  }
}

bool PowerSteps::begin(const PowerOperation& operation) {
  MutexLock lock(mutex_);
  if (operation.verb == "create") {
    unnamed_objects_.erase(std::string(operation.path));
  } else if (operation.verb == "write" && class_of(operation.path) == FileClass::kParquet &&
             begins_with(operation.data, kSegmentMagic)) {
    unnamed_objects_.emplace(operation.path);
  }
  if (is_due(operation, false)) {
    stop_locked();
  }
  wait_locked();
  return !disk_.is_off();
}

void PowerSteps::end(const PowerOperation& operation) {
  MutexLock lock(mutex_);
  if (is_due(operation, true)) {
    stop_locked();
  }
  if (is_put(operation)) {
    changed_[directory_of(operation.to)] = "put";
  } else if (is_free(operation)) {
    changed_[directory_of(operation.path)] = "free";
  } else if (is_forget(operation)) {
    changed_[directory_of(operation.path)] = "forget";
  } else if (operation.verb == "sync_directory") {
    changed_.erase(std::string(operation.path));
  }
  wait_locked();
}

}  // namespace millrace::fault
