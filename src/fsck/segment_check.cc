#include "fsck/segment_check.h"

#include "broker/orphans.h"
#include "fsck/elsewhere.h"
#include "segment/object_check.h"
#include "segment/segment.h"

#include <algorithm>
#include <array>
#include <set>

namespace millrace::fsck {
namespace {

using catalog::SegmentPartRow;
using catalog::SegmentRow;
using segment::ObjectCheck;
using segment::PartitionRow;
using segment::Segment;

constexpr const char* kPutBack = "put the object back from a copy; all other offsets are served";

std::vector<Touched> touched_of(const std::vector<SegmentPartRow>& parts) {
  std::vector<Touched> touched;
  touched.reserve(parts.size());
  for (const SegmentPartRow& part : parts) {
    touched.push_back({part.partition, part.first, part.next});
  }
  return touched;
}

std::vector<Touched> touched_of(const SegmentRow* row) {
  return row == nullptr ? std::vector<Touched>() : touched_of(row->parts);
}

std::string text_of(const SegmentPartRow& part) {
  return fmt::format(
      "offsets {} to {} of partition {} of topic {} ({} bytes, greatest timestamp {})", part.first,
      part.next.value - 1, part.partition.partition, part.partition.topic.to_string(), part.bytes,
      part.max_timestamp_ms);
}

std::vector<SegmentPartRow> parts_of(const Segment& object) {
  std::vector<SegmentPartRow> parts;
  for (const PartitionRow& row : object.tail().partitions) {
    parts.push_back({row.partition, row.first, row.next, row.max_timestamp_ms, row.data_bytes});
  }
  return parts;
}

class SegmentCheck {
 public:
  SegmentCheck(Work& work, objects::ObjectStore& store, const catalog::Contents* catalog,
               const Start& start)
      : work_(work),
        store_(store),
        catalog_(catalog),
        start_(start),
        elsewhere_(catalog, start, [this](TopicPartition partition, Offset first, Offset next) {
          return why_unreadable({work_.report, own_findings_, rows_}, start_,
                                {partition, first, next});
        }) {}

  Status run() {
    own_findings_ = work_.report.findings.size();
    MILLRACE_TRY(const auto objects, store_.list(segment::kFolder));
    if (catalog_ != nullptr) {
      take(*catalog_);
    }
    for (const objects::ObjectInfo& object : objects) {
      names_.insert(object.name);
    }
    std::vector<objects::ObjectInfo> others;  // judged by what is found of those that are named
    for (const objects::ObjectInfo& object : objects) {
      ++work_.report.objects;
      const auto row = rows_.find(object.name);
      if (row != rows_.end()) {
        MILLRACE_TRY_STATUS(check_object(object, row->second));
        rows_.erase(row);
      } else {
        others.push_back(object);
      }
    }
    size_t unjudged = 0;
    for (const objects::ObjectInfo& object : others) {
      if (leaving_.contains(object.name)) {
        MILLRACE_TRY_STATUS(judge_leaving(object));
      } else if (elsewhere_.rules() != nullptr) {
        MILLRACE_TRY_STATUS(judge_orphan(object));
      } else {
        ++unjudged;
        MILLRACE_TRY_STATUS(check_object(object, nullptr));
      }
    }
    for (const auto& [name, row] : rows_) {
      missing(*row);
    }
    unchecked(unjudged, "object", "that catalog.db does not name");
    unchecked(unjudged_parts_, "part", "of objects that their rows in catalog.db do not name");
    return {};
  }

 private:
  void take(const catalog::Contents& catalog) {
    for (const SegmentRow& row : catalog.segments) {
      rows_[row.name] = &row;
      by_id_[row.object] = row.name;
    }
    if (start_.is_trusted) {
      for (const catalog::LeavingObject& object : catalog.leaving) {
        leaving_.insert(object.name);
      }
    }
  }

  void unchecked(size_t count, const char* one, const char* which) {
    if (count != 0) {
      work_.report.unchecked.push_back(fmt::format(
          "whether {} {}{} {} {} needed: journal and catalog would have to be whole, and fit each "
          "other",
          count, one, count == 1 ? "" : "s", which, count == 1 ? "is" : "are"));
    }
  }

  void damage(const std::string& name, const char* problem, std::optional<uint64_t> position,
              const std::string& what, std::vector<Touched> touched,
              std::string advice = kPutBack) {
    work_.add({.problem = problem,
               .file = store_.location_of(name),
               .position = position,
               .what = what,
               .touched = std::move(touched),
               .advice = std::move(advice)});
  }

  void missing(const SegmentRow& row) {
    const auto renamed = misnamed_.find(row.name);
    damage(
        row.name, "missing-object", std::nullopt,
        fmt::format(
            "catalog.db names this object {}, and it is not there{}", row.object.to_string(),
            renamed == misnamed_.end() ? "" : "; it stands under another name: " + renamed->second),
        touched_of(&row), renamed == misnamed_.end() ? kPutBack : "give it its name back");
  }

  /// It has what is damaged or missing where catalog.db says it is.
  void only_copy(const std::string& name, const char* problem, const std::string& why) {
    work_.add({.kind = Kind::kLeftover,
               .problem = problem,
               .file = store_.location_of(name),
               .what = why,
               .touched = {},
               .advice = "keep it: millrace rebuild --replace takes it in place of what is damaged",
               .cure = Cure::kWait,
               .name = name});
  }

  Status judge_leaving(const objects::ObjectInfo& object) {
    MILLRACE_TRY(const auto why,
                 broker::why_still_needed(store_, object.name, *elsewhere_.rules()));
    if (why) {
      only_copy(object.name, "leaving-object",
                "catalog.db says that it was merged or expired, and no start removes it: " + *why);
    } else {
      leaving(object.name);
    }
    return work_.read(object.bytes);
  }

  /// An object that the catalog does not name.
  Status judge_orphan(const objects::ObjectInfo& object) {
    MILLRACE_TRY(const auto why, broker::why_kept(store_, object.name, *elsewhere_.rules()));
    MILLRACE_TRY_STATUS(work_.read(object.bytes));
    std::unique_ptr<Segment> opened;
    if (auto reader = store_.read(object.name); reader.ok()) {
      if (auto result = Segment::open(*std::move(reader), object.name); result.ok()) {
        opened = *std::move(result);
      }
    }
    if (!why) {
      unnamed(object.name, opened ? elsewhere_.nowhere_else(*opened) : std::vector<Touched>());
      return {};
    }
    broker::OrphanRules all_is_readable = *elsewhere_.rules();
    all_is_readable.why_unreadable = [](TopicPartition, Offset, Offset) {
      return std::optional<std::string>();
    };
    MILLRACE_TRY(const auto other, broker::why_kept(store_, object.name, all_is_readable));
    if (!other) {
      only_copy(object.name, "unnamed-object",
                "catalog.db does not name it, and no start removes it: " + *why);
      return {};
    }
    std::vector<Touched> touched;
    bool is_own = false;
    if (opened) {
      const auto header = opened->header();
      is_own = by_id_.contains(opened->footer().object) ||
               (header.ok() && start_.directory == header->directory);
      if (header.ok() && !is_own && elsewhere_.is_stray(*opened)) {
        stray(object.name, header->directory, elsewhere_.is_of_earlier_topics(*opened));
        return {};
      }
      misnamed_.emplace(broker::made_as(*opened), object.name);
      touched = touched_of(parts_of(*opened));
    }
    damage(object.name, "unknown-object", std::nullopt,
           "catalog.db does not name it, and no start removes it: " + *why, std::move(touched),
           advice_of(object.name, opened ? broker::made_as(*opened) : object.name, is_own));
    return {};
  }

  /// Of a directory that a rebuild took the place of, or of a stranger: nobody can tell.
  void stray(const std::string& name, const DirectoryId& directory, bool is_earlier) {
    work_.add(
        {.kind = Kind::kLeftover,
         .problem = "stray-object",
         .file = store_.location_of(name),
         .what = fmt::format("it was made by another data directory, {}, and all that it has is "
                             "elsewhere, or of topics {}",
                             directory.to_string(),
                             is_earlier ? "of which later ones are here, as a rebuild leaves it"
                                        : "that are not here"),
         .touched = {},
         .advice = is_earlier ? "nothing: it is not used, and neither a start nor --repair removes "
                                "it; it may be removed, unless another server uses it"
                              : "see where it comes from: nothing of this directory is in it, and "
                                "neither a start nor --repair removes it",
         .cure = Cure::kWait});
  }

  /// Of an unknown object.
  std::string advice_of(const std::string& name, const std::string& first, bool is_own) const {
    if (is_own && name != first) {
      const std::string there = store_.location_of(first);
      return names_.contains(first)
                 ? fmt::format(
                       "it is called {}, where an object stands: if that is whole, move "
                       "this one away",
                       there)
                 : fmt::format("give it its name back: {}", there);
    }
    return is_own ? "keep it: once what is missing is back, millrace rebuild --replace takes it up"
                  : "see where it comes from: if it is not of this directory, move it away";
  }

  void leaving(const std::string& name) {
    work_.add(
        {.kind = Kind::kLeftover,
         .problem = "leaving-object",
         .file = store_.location_of(name),
         .what = "catalog.db says that it left: it was expired or merged, or its topic deleted",
         .touched = {},
         .advice = "nothing: a start removes it",
         .cure = Cure::kObject,
         .name = name});
  }

  /// A start removes it. What it alone has may be expired, or the catalog be of an earlier time.
  void unnamed(const std::string& name, std::vector<Touched> touched) {
    const bool is_last = !touched.empty();
    work_.add({.kind = Kind::kLeftover,
               .problem = "unnamed-object",
               .file = store_.location_of(name),
               .what = is_last ? "catalog.db does not name it, and some of its records are nowhere "
                                 "else: they are expired, or catalog.db is not the newest, or lost "
                                 "its row"
                               : "catalog.db does not name it, and all that it holds is elsewhere, "
                                 "deleted, or of a deleted topic",
               .touched = std::move(touched),
               .advice = is_last ? "a start removes it, --repair does not: if these records should "
                                   "not be expired, copy it away and put the right catalog.db "
                                   "back, or make that again: millrace rebuild --replace"
                                 : "nothing: a start removes it",
               .cure = is_last ? Cure::kWait : Cure::kObject,
               .name = name});
  }

  Status check_object(const objects::ObjectInfo& info, const SegmentRow* row) {
    auto reader = store_.read(info.name);
    if (!reader.ok()) {
      return failed(info.name, "unreadable-object", std::nullopt, reader.error(), touched_of(row));
    }
    const uint64_t size = (*reader)->bytes();
    ObjectCheck::Damages damages;
    MILLRACE_TRY(const auto check, ObjectCheck::open(*std::move(reader), info.name,
                                                     ObjectCheck::Depth::kData, damages));
    if (!check) {
      if (row != nullptr && size != row->bytes) {
        MILLRACE_TRY_STATUS(judge_size(info.name, size, *row, damages));
      } else {
        add(info.name, damages, touched_of(row));
      }
      return work_.read(size);
    }
    const Segment& object = check->object();
    if (!compare(info.name, object, row)) {
      return work_.read(size);
    }
    MILLRACE_TRY(const auto header, check->header(damages));
    if (header && row == nullptr) {
      compare_directory(info.name, *header, object);
    }
    uint64_t data = 0;
    while (true) {
      add(info.name, damages, touched_of(parts_of(object)));
      damages.clear();
      if (check->is_done()) {
        return work_.read(size - std::min(size, data));
      }
      MILLRACE_TRY(const uint64_t bytes, check->step(damages));
      data += bytes;
      MILLRACE_TRY_STATUS(work_.read(bytes));
    }
  }

  /// Of one without a whole end, and of another size than its row says. `damages`: of the end.
  Status judge_size(const std::string& name, uint64_t size, const SegmentRow& row,
                    ObjectCheck::Damages& damages) {
    const std::string sizes = fmt::format("has {} bytes instead of {}", size, row.bytes);
    if (size < row.bytes) {
      damage(name, "truncated-object", size, sizes, touched_of(&row));
      return {};
    }
    MILLRACE_TRY(const bool has_end, ends_at(name, row));
    if (has_end) {
      damage(name, "lengthened-object", row.bytes,
             sizes + ": what is behind its own end does not belong to it", touched_of(&row),
             fmt::format("put the object back from a copy, or cut it to its {} bytes", row.bytes));
      return {};
    }
    for (segment::ObjectDamage& each : damages) {
      each.what = sizes + ": " + each.what;
    }
    add(name, damages, touched_of(&row));
    return {};
  }

  /// Whether the object's own footer stands where it should.
  Result<bool> ends_at(const std::string& name, const SegmentRow& row) {
    if (row.bytes < segment::kFooterBytes) {
      return false;
    }
    MILLRACE_TRY(const auto reader, store_.read(name));
    std::array<std::byte, segment::kFooterBytes> bytes{};
    const Status read = reader->read_at(row.bytes - bytes.size(), bytes);
    if (!read.ok()) {
      return segment::is_of_the_object(read.error()) ? Result<bool>(false) : read.error();
    }
    const auto footer = segment::Footer::parse(bytes, row.bytes);
    return footer.ok() && footer->object == row.object;
  }

  /// `all`: of the object.
  void add(const std::string& name, const ObjectCheck::Damages& damages,
           const std::vector<Touched>& all) {
    for (const segment::ObjectDamage& each : damages) {
      damage(name, each.problem, each.position, each.what,
             each.range ? std::vector<Touched>{{each.range->partition, each.range->first,
                                                each.range->next}}
                        : all);
    }
  }

  Status failed(const std::string& name, const char* problem, std::optional<uint64_t> position,
                const Error& error, std::vector<Touched> touched) {
    if (!segment::is_of_the_object(error)) {
      return error;
    }
    damage(name, problem, position, error.message, std::move(touched));
    return {};
  }

  /// Of one that catalog.db does not name: others may be of a directory that a rebuild took the
  /// place of.
  void compare_directory(const std::string& name, const segment::Header& header,
                         const Segment& object) {
    if (start_.directory && header.directory != *start_.directory) {
      damage(name, "foreign-object", 0,
             fmt::format("it was made by another data directory, {}, this one is {}",
                         header.directory.to_string(), start_.directory->to_string()),
             touched_of(parts_of(object)));
    }
  }

  /// A whole object that is not the one that the row means.
  void another(const std::string& name, const Segment& object, const SegmentRow& row) {
    const Uuid id = object.footer().object;
    const auto known = by_id_.find(id);
    const auto header = object.header();
    if (known == by_id_.end() && !(header.ok() && start_.directory == header->directory)) {
      damage(name, "foreign-object", std::nullopt,
             fmt::format("it is object {}{}, catalog.db means {}", id.to_string(),
                         header.ok() ? " of data directory " + header->directory.to_string() : "",
                         row.object.to_string()),
             touched_of(&row));
      return;
    }
    const std::string first = known != by_id_.end() ? known->second : broker::made_as(object);
    misnamed_.emplace(first, name);
    damage(name, "misnamed-object", std::nullopt,
           fmt::format("it is object {}, which was made as {}, catalog.db means {}", id.to_string(),
                       first, row.object.to_string()),
           touched_of(&row),
           fmt::format("what stands here belongs under the name {}; put the object of this name "
                       "back",
                       store_.location_of(first)));
  }

  /// Whether it is the one that the row means.
  bool compare(const std::string& name, const Segment& object, const SegmentRow* row) {
    if (row == nullptr) {
      return true;
    }
    if (object.footer().object != row->object) {
      another(name, object, *row);
      return false;
    }
    if (const std::string first = broker::made_as(object); first != name) {
      damage(name, "misnamed-object", std::nullopt, "it was made as " + first, touched_of(row),
             "put catalog.db and the objects back from one copy of the directory");
    }
    if (object.footer().object_bytes != row->bytes) {
      row_differs(
          name,
          fmt::format("{} bytes, the object has {}", row->bytes, object.footer().object_bytes),
          touched_of(row));
    }
    std::map<TopicPartition, std::pair<const SegmentPartRow*, const SegmentPartRow*>> pairs;
    const auto parts = parts_of(object);
    for (const SegmentPartRow& part : row->parts) {
      pairs[part.partition].first = &part;
    }
    for (const SegmentPartRow& part : parts) {
      pairs[part.partition].second = &part;
    }
    for (const auto& [partition, both] : pairs) {
      compare(name, partition, both.first, both.second);
    }
    return true;
  }

  /// What the row says of a partition and what the object holds; either may be null. The row loses
  /// a part that is expired, and of objects that have the same offsets a rebuild names one for
  /// them.
  void compare(const std::string& name, TopicPartition partition, const SegmentPartRow* said,
               const SegmentPartRow* held) {
    if ((said != nullptr && held != nullptr && *said == *held) ||
        (said == nullptr && (elsewhere_.is_elsewhere(*held) || elsewhere_.is_trimmed(*held)))) {
      return;
    }
    if (said == nullptr &&
        elsewhere_.rules() == nullptr) {  // it may be expired, deleted, or in the journal
      ++unjudged_parts_;
      return;
    }
    Touched touched{partition, said != nullptr ? said->first : held->first,
                    said != nullptr ? said->next : held->next};
    if (held != nullptr) {
      touched.first = std::min(touched.first, held->first);
      touched.next = std::max(touched.next, held->next);
    }
    row_differs(name,
                fmt::format("{}, the object holds {}", said != nullptr ? text_of(*said) : "nothing",
                            held != nullptr ? text_of(*held) : "nothing"),
                {touched});
  }

  void row_differs(const std::string& name, const std::string& how, std::vector<Touched> touched) {
    work_.add({.problem = "catalog-row",
               .file = work_.data + "/catalog.db",
               .what = fmt::format("its row of object {} says {}", name, how),
               .touched = std::move(touched),
               .advice = "put a copy of catalog.db back, of the same time as the journal"});
  }

  Work& work_;
  objects::ObjectStore& store_;
  const catalog::Contents* const catalog_;
  const Start& start_;
  const Elsewhere elsewhere_;
  std::set<std::string> names_;                    // of the objects that are there
  std::map<std::string, const SegmentRow*> rows_;  // of objects that were not met
  size_t own_findings_ = 0;                        // begin here in the report
  std::map<Uuid, std::string> by_id_;              // their names in the catalog
  std::set<std::string> leaving_;
  size_t unjudged_parts_ = 0;                    // of objects, that their rows do not name
  std::map<std::string, std::string> misnamed_;  // by what they were made as
};

}  // namespace

Status check_segments(Work& work, objects::ObjectStore& store, const catalog::Contents* catalog,
                      const Start& start) {
  return SegmentCheck(work, store, catalog, start).run();
}

}  // namespace millrace::fsck
