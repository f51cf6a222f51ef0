// The chain of runs over all files, and of each partition's offsets along it.
#pragma once

#include "base/ids.h"
#include "catalog/catalog.h"
#include "fsck/report.h"
#include "journal/format.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace millrace::fsck {

/// A place where something is not as it should be.
struct Break {
  Finding finding;
  RunNumber run;                              // that is touched; the first of several
  std::optional<uint64_t> run_position = {};  // where that begins, if it is not the finding's
  bool is_certain = false;                    // damage whether or not the run was proven durable
  bool loses_runs = false;                    // offsets that are missing behind it were in it
};

/// Joins [first, next) to a range of the same partition that it meets.
void add_touched(std::vector<Touched>& touched, TopicPartition partition, Offset first,
                 Offset next);

/// Is told of all runs in order. One thread.
class Chain {
 public:
  /// Of the next run; 0: any.
  RunNumber expected() const { return expected_; }

  void breaks(Break found);

  /// The next run is not known: it may be any.
  void forget_run();

  /// A whole header; says where it does not follow the run before.
  void take(const std::string& file, const journal::RunHeader& header);

  /// A header whose run was told of by breaks().
  void pass(const std::string& file, const journal::RunHeader& header);

  void batch(const std::string& file, const journal::RunHeader& header,
             const journal::FrameHeader& frame);

  /// Takes names of topics, and the offsets that a checkpoint gives.
  void system(const std::string& file, const journal::RunHeader& header,
              std::span<const std::byte> payload, Report& report);

  /// All runs were told of, and partitions had these offsets: what is missing behind their last
  /// batches was in what is lost behind these.
  void end(const std::vector<catalog::PartitionRow>& partitions);

  /// All runs were told of: adds the findings. A break is damage where a header proves that its run
  /// was durable; what is not proven is one torn tail.
  void judge(Report& report);

 private:
  struct Seen {
    Offset next;
    size_t gaps = 0;  // number of breaks that lost runs by then
  };

  Finding missing(const std::string& file, const journal::RunHeader& header) const;
  /// Offsets were in one of the gaps from `gap` on.
  void lose(size_t gap, TopicPartition partition, Offset first, Offset next);
  void follow(const std::string& file, const journal::RunHeader& header, TopicPartition partition,
              Offset base, const char* where);

  std::vector<Break> breaks_;
  std::vector<size_t> gaps_;  // those of them that lost runs
  RunNumber expected_;
  std::optional<uint32_t> crc_;  // of the header before
  FileNumber file_;              // where that stands, and where its run ends
  std::string path_;
  uint64_t end_ = 0;
  RunNumber proven_;
  std::unordered_map<TopicPartition, Seen> partitions_;
};

}  // namespace millrace::fsck
