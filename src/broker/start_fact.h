// From which offset on a partition has its records: those below were deleted. Format:
// docs/formats/journal.md, "System frames".
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "record/system_frame.h"

namespace millrace::broker {

struct StartFact {
  TopicPartition partition;
  Offset start;
};

/// The put of it; its key is the partition.
record::SystemFrame to_frame(const StartFact& fact);
/// kCorrupt: not a start frame.
Result<StartFact> start_fact_from(const record::SystemFrame& frame);

}  // namespace millrace::broker
