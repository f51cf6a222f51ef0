#include "objects/s3_client.h"

#include "base/log.h"

#include <algorithm>

namespace millrace::objects {
namespace {

constexpr uint64_t kListPage = 1000;  // Arrow's

/// A connection that the server closed while it was idle fails once; for all else the caller waits.
class OneMoreTry final : public arrow::fs::S3RetryStrategy {
 public:
  bool ShouldRetry(const AWSErrorDetail& error, int64_t attempted_retries) override {
    return error.should_retry && attempted_retries < 1;
  }

  int64_t CalculateDelayBeforeNextRetry(const AWSErrorDetail& /*error*/,
                                        int64_t /*attempted_retries*/) override {
    constexpr int64_t kDelayMs = 50;
    return kDelayMs;
  }
};

Mutex& process_mutex() {
  static Mutex mutex;
  return mutex;
}

/// Starts the client's threads; once a process.
Status start_process() {
  MutexLock lock(process_mutex());
  if (arrow::fs::IsS3Initialized()) {
    return {};
  }
  if (arrow::fs::IsS3Finalized()) {
    return make_error(Code::kInternal, "S3 was finished in this process");
  }
  const auto status = arrow::fs::InitializeS3(arrow::fs::S3GlobalOptions::Defaults());
  return status.ok() ? Status{}
                     : make_error(Code::kInternal, "S3 cannot be started: {}", status.message());
}

/// Destruction would publish the stream. Never destroyed: in reach, so no leak to be told of.
void keep_for_ever(std::shared_ptr<arrow::io::OutputStream> stream) {
  static auto& kept = *new std::vector<std::shared_ptr<arrow::io::OutputStream>>;
  MutexLock lock(process_mutex());
  kept.push_back(std::move(stream));
}

}  // namespace

S3Client::S3Client(S3StoreOptions options, StoreCounters& counters)
    : counters(counters),
      options_(std::move(options)),
      place_{options_.endpoint, options_.region, options_.bucket},
      root_(options_.prefix.empty() ? options_.bucket : options_.bucket + "/" + options_.prefix) {}

S3Client::~S3Client() {
  abort_left_over();
  MutexLock lock(mutex_);
  for (auto& [stream, name] : left_over_) {
    log::warning(
        "objects",
        "the upload of {} could not be aborted; its parts stay until the bucket's rule for "
        "incomplete uploads removes them",
        url_of(name));
    keep_for_ever(std::move(stream));
  }
}

Error S3Client::error_of(std::string_view verb, const std::string& name,
                         const arrow::Status& status) const {
  return s3_error(place_, fmt::format("{} {}", verb, url_of(name)), status.message());
}

Result<std::shared_ptr<arrow::fs::S3FileSystem>> S3Client::connect() {
  MILLRACE_TRY_STATUS(start_process());
  MutexLock lock(mutex_);
  if (file_system_) {
    return file_system_;
  }
  auto options = options_.access_key.empty() ? arrow::fs::S3Options::Defaults()
                                             : arrow::fs::S3Options::FromAccessKey(
                                                   options_.access_key, options_.secret_key);
  using Seconds = std::chrono::duration<double>;
  options.endpoint_override = options_.endpoint;
  options.scheme = options_.scheme;
  options.region = options_.region;
  options.connect_timeout = Seconds(options_.connect_timeout).count();
  options.request_timeout = Seconds(options_.request_timeout).count();
  options.retry_strategy = std::make_shared<OneMoreTry>();
  options.allow_delayed_open = true;  // a small object is one PUT
  options.background_writes = true;   // parts in parallel
  auto made = arrow::fs::S3FileSystem::Make(options);
  if (!made.ok()) {
    return make_error(Code::kInvalid, "s3://{}: {}", root_, made.status().message());
  }
  file_system_ = *made;
  return file_system_;
}

Result<S3Client::Stream> S3Client::open_stream(const std::string& name) {
  MILLRACE_TRY(const auto file_system, connect());
  abort_left_over();
  auto stream = file_system->OpenOutputStream(path_of(name), nullptr);
  if (!stream.ok()) {
    return error_of("write", name, stream.status());
  }
  return *stream;
}

Result<S3Client::File> S3Client::open_file(const std::string& name) {
  MILLRACE_TRY(const auto file_system, connect());
  counters.count(RequestKind::kHead);
  auto file = file_system->OpenInputFile(path_of(name));
  if (!file.ok()) {
    return not_found_of("read", name, file.status());
  }
  note_bucket();
  return *file;
}

Error S3Client::not_found_of(std::string_view verb, const std::string& name,
                             const arrow::Status& status) {
  Error error = error_of(verb, name, status);
  if (error.code != Code::kNotFound || knows_bucket_) {
    return error;
  }
  auto file_system = connect();
  if (!file_system.ok()) {
    return file_system.error();
  }
  counters.count(RequestKind::kHead);
  const auto bucket = (*file_system)->GetFileInfo(options_.bucket);
  if (!bucket.ok()) {
    return error_of(verb, name, bucket.status());
  }
  if (bucket->type() == arrow::fs::FileType::NotFound) {
    return no_such_bucket(place_, fmt::format("{} {}", verb, url_of(name)));
  }
  note_bucket();
  return error;
}

Result<std::vector<ObjectInfo>> S3Client::list(const std::string& folder) {
  MILLRACE_TRY(const auto file_system, connect());
  arrow::fs::FileSelector select;
  select.base_dir = folder.empty() ? root_ : path_of(folder);
  select.recursive = true;
  select.allow_not_found = false;  // else a missing bucket is an empty list
  const auto found = file_system->GetFileInfo(select);
  if (!found.ok()) {
    counters.count(RequestKind::kList);
    Error error = error_of("list", folder, found.status());
    if (error.code == Code::kNotFound) {
      note_bucket();
      return std::vector<ObjectInfo>{};
    }
    return error;
  }
  note_bucket();
  std::vector<ObjectInfo> objects;
  objects.reserve(found->size());
  for (const auto& info : *found) {
    if (info.type() == arrow::fs::FileType::File) {  // Arrow adds the folders that names imply
      objects.push_back({info.path().substr(root_.size() + 1), static_cast<uint64_t>(info.size())});
    }
  }
  counters.count(RequestKind::kList, 1 + objects.size() / kListPage);
  std::ranges::sort(objects, {}, &ObjectInfo::name);
  return objects;
}

Status S3Client::remove(const std::string& name) {
  MILLRACE_TRY(const auto file_system, connect());
  counters.count(RequestKind::kHead);
  const auto removed = file_system->DeleteFile(path_of(name));
  if (!removed.ok()) {
    return not_found_of("remove", name, removed);
  }
  note_bucket();
  counters.count(RequestKind::kDelete);
  counters.count(RequestKind::kPut,
                 path_of(name).find('/', options_.bucket.size() + 1) != std::string::npos
                     ? 1
                     : 0);  // the folder's key
  return {};
}

void S3Client::abort(Stream stream, const std::string& name) {
  static_cast<void>(stream->Flush());  // a part that arrives after the abort would stay
  if (!stream->Abort().ok()) {
    MutexLock lock(mutex_);
    left_over_.emplace_back(std::move(stream), name);
  }
}

void S3Client::abort_left_over() {
  std::vector<std::pair<Stream, std::string>> left_over;
  {
    MutexLock lock(mutex_);
    left_over.swap(left_over_);
  }
  const auto first_kept =
      std::ranges::find_if(left_over, [](const auto& each) { return !each.first->Abort().ok(); });
  MutexLock lock(mutex_);
  left_over_.insert(left_over_.end(), first_kept, left_over.end());
}

void finish_s3() {
  MutexLock lock(process_mutex());
  if (!arrow::fs::IsS3Initialized()) {
    return;
  }
  if (const auto status = arrow::fs::FinalizeS3(); !status.ok()) {
    log::warning("objects", "S3 did not end in order: {}", status.message());
  }
}

}  // namespace millrace::objects
