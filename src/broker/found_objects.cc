#include "broker/found_objects.h"

#include "broker/orphans.h"
#include "segment/object_check.h"
#include "segment/segment.h"

namespace millrace::broker {
namespace {

using segment::Segment;

/// Errors: of the object kCorrupt, kUnsupported, kNotFound; else the store's.
Result<FoundObject> read_object(objects::ObjectStore& store, const objects::ObjectInfo& info) {
  MILLRACE_TRY(auto reader, store.read(info.name));
  MILLRACE_TRY(const auto object, Segment::open(std::move(reader), info.name));
  MILLRACE_TRY(const auto header, object->header());
  if (const std::string made = made_as(*object); made != info.name) {
    return make_error(Code::kCorrupt, "it was made as {}", made);
  }
  return FoundObject{info.name, info.bytes, header, object->tail()};
}

}  // namespace

Result<FoundObjects> find_objects(objects::ObjectStore& store,
                                  const std::function<void(size_t, size_t)>& progress) {
  MILLRACE_TRY(const auto infos, store.list(segment::kFolder));
  FoundObjects found;
  for (size_t i = 0; i < infos.size(); ++i) {
    progress(i, infos.size());
    auto object = read_object(store, infos[i]);
    if (object.ok()) {
      found.objects.push_back(*std::move(object));
    } else if (segment::is_of_the_object(object.error())) {
      found.unused.push_back({infos[i].name, object.error().message});
    } else {
      return std::move(object).error();
    }
  }
  progress(infos.size(), infos.size());
  return found;
}

}  // namespace millrace::broker
