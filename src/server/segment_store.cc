#include "server/segment_store.h"

#include "base/log.h"
#include "objects/local_store.h"
#include "objects/patient_store.h"
#include "objects/s3_store.h"
#include "segment/format.h"

#include <algorithm>
#include <thread>

namespace millrace::server {
namespace {

constexpr uint64_t kMostCache = uint64_t{10} << 30;

/// What is asked for, or a tenth of the disk that is free or taken by the cache.
Result<uint64_t> cache_bytes(io::Disk& disk, const std::string& directory, uint64_t asked) {
  if (asked != 0) {
    return asked;
  }
  MILLRACE_TRY(const io::Space space, disk.space(directory));
  uint64_t held = 0;
  if (const auto files = disk.list(directory); files.ok()) {
    for (const auto& file : *files) {
      held += file.size;
    }
  }
  return std::min(kMostCache, (space.free_bytes + held) / 10);
}

}  // namespace

std::string name_of_store(const Options& options) {
  if (!options.bucket) {
    return "data directory";
  }
  const BucketOptions& bucket = *options.bucket;
  return "s3://" + bucket.name + (bucket.prefix.empty() ? "" : "/" + bucket.prefix);
}

Status remember_store(catalog::Catalog& catalog, objects::ObjectStore& store,
                      const Options& options) {
  const catalog::Contents& contents = catalog.contents();
  if (!contents.store && !contents.segments.empty()) {
    const std::string& name = contents.segments.front().name;
    const auto found = store.look(name);
    if (!found.ok() && found.error().code != Code::kNotFound) {
      return {};  // a bucket that is away: at the next start
    }
    if (!found.ok()) {
      return make_error(Code::kConflict,
                        "bucket: catalog.db names the segment object {}, and {} has none of that "
                        "name. Say --bucket as before",
                        name, name_of_store(options));
    }
  }
  return catalog.commit_store(name_of_store(options));
}

Result<std::unique_ptr<objects::ObjectStore>> open_bucket(const BucketOptions& options) {
  objects::S3StoreOptions s3;
  s3.endpoint = options.endpoint;
  s3.scheme = options.scheme;
  s3.region = options.region;
  s3.bucket = options.name;
  s3.prefix = options.prefix;
  MILLRACE_TRY(auto bucket, objects::S3Store::open(std::move(s3)));
  return std::unique_ptr<objects::ObjectStore>(std::move(bucket));
}

Result<std::unique_ptr<objects::ObjectStore>> open_bucket_patiently(const BucketOptions& options) {
  MILLRACE_TRY(auto bucket, open_bucket(options));
  return std::unique_ptr<objects::ObjectStore>(std::make_unique<objects::PatientStore>(
      std::move(bucket), objects::PatienceOptions(), system_clock(),
      [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }));
}

Status check_bucket_is_empty(const BucketOptions& options) {
  MILLRACE_TRY(const auto bucket, open_bucket(options));
  const std::string place = bucket->location_of(segment::kFolder);
  const auto objects = bucket->list(segment::kFolder);
  if (!objects.ok()) {
    log::warning("segments", "whether {} has objects of another data directory is not known: {}",
                 place, objects.error().message);
    return {};
  }
  if (objects->empty()) {
    return {};
  }
  return make_error(
      Code::kConflict,
      "bucket: the data directory is new, and {} has {} objects of another one, which would not be "
      "served; nothing was changed. Make the directory out of them: millrace rebuild, with the "
      "same --data and --bucket; or choose another bucket or prefix",
      place, objects->size());
}

Result<std::unique_ptr<SegmentStore>> SegmentStore::open(io::Disk& disk, const Options& options) {
  auto segments = std::make_unique<SegmentStore>();
  if (!options.bucket) {
    MILLRACE_TRY(segments->objects_,
                 objects::LocalStore::open(disk, options.data, options.data + "/tmp/segments"));
    return segments;
  }
  MILLRACE_TRY(segments->objects_, open_bucket(*options.bucket));
  objects::CachedStoreOptions cache;
  cache.directory = options.data + "/cache";
  MILLRACE_TRY_STATUS(disk.make_directories(cache.directory));
  MILLRACE_TRY(cache.max_bytes, cache_bytes(disk, cache.directory, options.bucket->cache_bytes));
  cache.remote_bytes_per_second = options.bucket->read_bytes_per_second;
  MILLRACE_TRY(segments->cache_,
               objects::CachedStore::open(*segments->objects_, disk, std::move(cache)));
  return segments;
}

}  // namespace millrace::server
