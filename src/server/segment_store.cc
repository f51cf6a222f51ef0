#include "server/segment_store.h"

#include "objects/local_store.h"
#include "objects/s3_store.h"

namespace millrace::server {

Result<std::unique_ptr<objects::ObjectStore>> open_segment_store(io::Disk& disk,
                                                                 const Options& options) {
  if (!options.bucket) {
    MILLRACE_TRY(auto local,
                 objects::LocalStore::open(disk, options.data, options.data + "/tmp/segments"));
    return std::unique_ptr<objects::ObjectStore>(std::move(local));
  }
  objects::S3StoreOptions s3;
  s3.endpoint = options.bucket->endpoint;
  s3.scheme = options.bucket->scheme;
  s3.region = options.bucket->region;
  s3.bucket = options.bucket->name;
  s3.prefix = options.bucket->prefix;
  MILLRACE_TRY(auto bucket, objects::S3Store::open(std::move(s3)));
  return std::unique_ptr<objects::ObjectStore>(std::move(bucket));
}

}  // namespace millrace::server
