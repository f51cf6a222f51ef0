#include "record/read_failures.h"

#include "base/log.h"

namespace millrace::record {

void ReadFailures::note(const Error& error, TopicPartition partition, Offset from) {
  if (error.code != Code::kCorrupt && error.code != Code::kIo) {
    return;
  }
  ++count_;
  bool is_last = false;
  {
    MutexLock lock(mutex_);
    if (told_.size() == kPlaces || !told_.insert(error.message).second) {
      return;
    }
    is_last = told_.size() == kPlaces;
  }
  log::error(module_, "cannot read offset {} of partition {} of topic {}: {}{}", from,
             partition.partition, partition.topic.to_string(), error.message,
             is_last ? "; further places are not named until the next start" : "");
}

}  // namespace millrace::record
