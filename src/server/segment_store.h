// Where segment objects are.
#pragma once

#include "base/result.h"
#include "catalog/catalog.h"
#include "io/disk.h"
#include "objects/cached_store.h"
#include "objects/object_store.h"
#include "server/options.h"

#include <memory>

namespace millrace::server {

/// Where the objects are, as the catalog remembers it: without what may change while they stay
/// there (endpoint, region, path of the data directory).
std::string name_of_store(const Options& options);

/// Has the catalog remember it. Errors: those of catalog::Catalog::commit_store(); kConflict: the
/// catalog never said where its objects are, and they are not in `store`.
Status remember_store(catalog::Catalog& catalog, objects::ObjectStore& store,
                      const Options& options);

/// The bucket itself; it is not asked for anything yet. Errors: kInvalid (an option).
Result<std::unique_ptr<objects::ObjectStore>> open_bucket(const BucketOptions& options);

/// The same for a tool, which has no later: it waits out what passes by itself
/// (objects/patient_store.h). Errors: as open_bucket().
Result<std::unique_ptr<objects::ObjectStore>> open_bucket_patiently(const BucketOptions& options);

/// For a directory that is new. kConflict, saying what to do: the bucket has objects, those of
/// another one, and what they hold would not be served. One that does not answer is taken for
/// empty, with a warning. Errors: kInvalid (an option) too.
Status check_bucket_is_empty(const BucketOptions& options);

/// The data directory, or a bucket behind a cache of its blocks in DIR/cache. Outlived by the disk.
class SegmentStore {
 public:
  /// A bucket is not asked for anything yet. Errors: kInvalid (an option of the bucket), those of
  /// objects::LocalStore::open and objects::CachedStore::open.
  static Result<std::unique_ptr<SegmentStore>> open(io::Disk& disk, const Options& options);

  objects::ObjectStore& store() { return cache_ ? *cache_ : *objects_; }

  /// The directory or the bucket itself, past the cache.
  objects::ObjectStore& own() { return *objects_; }

  /// Of the directory or the bucket itself.
  const objects::StoreCounters& counters() const { return objects_->counters(); }

  /// null: there is none.
  const objects::CachedStore* cache() const { return cache_.get(); }

 private:
  std::unique_ptr<objects::ObjectStore> objects_;
  std::unique_ptr<objects::CachedStore> cache_;
};

}  // namespace millrace::server
