// The bucket behind an S3Store, by Arrow's S3 file system. Stays inside the folder: it includes
// Arrow.
#pragma once

#include "base/mutex.h"
#include "objects/object_store.h"
#include "objects/s3_errors.h"
#include "objects/s3_store.h"

#include <arrow/filesystem/s3fs.h>
#include <arrow/io/interfaces.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace millrace::objects {

/// One bucket, or what is below a prefix of it. Thread-safe.
class S3Client {
 public:
  using Stream = std::shared_ptr<arrow::io::OutputStream>;
  using File = std::shared_ptr<arrow::io::RandomAccessFile>;

  S3Client(S3StoreOptions options, StoreCounters& counters);
  ~S3Client();

  S3Client(const S3Client&) = delete;
  S3Client& operator=(const S3Client&) = delete;

  /// As Arrow names it.
  std::string path_of(const std::string& name) const { return root_ + "/" + name; }

  std::string url_of(const std::string& name) const { return "s3://" + path_of(name); }

  Result<std::shared_ptr<arrow::fs::S3FileSystem>> connect();
  Result<Stream> open_stream(const std::string& name);
  /// One HEAD.
  Result<File> open_file(const std::string& name);
  Result<std::vector<ObjectInfo>> list(const std::string& folder);
  Status remove(const std::string& name);

  /// Ends an upload without publishing; again later if the server is away.
  void abort(Stream stream, const std::string& name);

  Error error_of(std::string_view verb, const std::string& name, const arrow::Status& status) const;

  /// The bucket has answered: what is not found is an object.
  void note_bucket() { knows_bucket_ = true; }

  StoreCounters& counters;

 private:
  void abort_left_over();
  /// Tells a bucket that is not there from an object that is not: a HEAD says the same of both.
  Error not_found_of(std::string_view verb, const std::string& name, const arrow::Status& status);

  const S3StoreOptions options_;
  const S3Place place_;
  const std::string root_;  // bucket, or bucket/prefix
  std::atomic<bool> knows_bucket_{false};

  Mutex mutex_;
  std::shared_ptr<arrow::fs::S3FileSystem> file_system_ MILLRACE_GUARDED_BY(mutex_);
  std::vector<std::pair<Stream, std::string>> left_over_ MILLRACE_GUARDED_BY(mutex_);
};

/// Known since the file was opened: fails only when it is closed, and nobody closes it.
inline uint64_t size_of(arrow::io::RandomAccessFile& file) {
  return static_cast<uint64_t>(file.GetSize().ValueOr(0));
}

/// Ends what the first connection of this process started.
void finish_s3();

}  // namespace millrace::objects
