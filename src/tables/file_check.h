// Whether a table's file is the one that the catalog means, byte for byte.
// Rules: "Trust" in docs/formats/table.md.
#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "objects/object_store.h"
#include "record/commit_log.h"
#include "runtime/deadline.h"
#include "tables/table.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::tables {

/// The bytes of a Parquet file's footer, for columnar::parse_footer(). Errors: kCorrupt (no Parquet
/// file), the reader's.
Result<std::vector<std::byte>> footer_of(const objects::ObjectReader& file);

/// Reads all of the file: its size, what its footer says of itself, the checksum of its bytes.
/// Blocks; some GB/s. Errors, with words that go behind the file's name: kNotFound, kCorrupt, kIo;
/// kOverloaded and kTimeout (`deadline`) say nothing about the file.
Status check_file(const TableFile& file, const TopicPartition& partition,
                  objects::ObjectStore& store, runtime::Deadline deadline, const Clock& clock);

/// The same of a file of no rows: whether it is there and its checksum fits.
Status check_empty_file(const std::string& name, objects::ObjectStore& store);

/// Whether `path` is the name of a file of this table whose whole range is in its log, of which
/// `kept` is there, and is replayed, which begins at `in_files`: such a file, when the catalog does
/// not name it, is made again. Another one may be the last copy of its rows.
bool is_made_again(const std::string& path, const TableName& table, const TopicPartition& partition,
                   const record::PartitionRange& kept, Offset in_files);

/// The offsets that such a file names, when it is one of this table.
std::optional<record::PartitionRange> offsets_named(const std::string& path, const TableName& table,
                                                    const TopicPartition& partition);

/// "FILE is missing (offsets 0 to 9, 10 rows)", behind those that `damage` names already.
void add_damage(std::string& damage, const TableFile& file, std::string_view what);
/// What queries on the table answer from then on.
Error damage_of(const TableName& name, std::string_view damage);

}  // namespace millrace::tables
