// The row form of a MessagePack write.
#pragma once

#include "base/result.h"
#include "columnar/msgpack_reader.h"
#include "columnar/precision.h"
#include "columnar/row.h"

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::columnar {

/// Reads one row after another.
class MsgpackRowReader {
 public:
  /// Of times that are integers: `unify_times`.
  explicit MsgpackRowReader(std::optional<Precision> precision) : precision_(precision) {}

  /// The map at the reader's place, as decode_msgpack() says of rows. The row points into the body
  /// and into this, until the next is read. Errors: kInvalid, as there.
  Result<const Row*> read(MsgpackReader& reader);

 private:
  struct Seen {
    bool measurement = false;
    bool time = false;
    bool host = false;
    bool tags = false;
    bool fields = false;
  };

  Status read_key(MsgpackReader& reader, Seen& seen);
  Status read_time(MsgpackReader& reader);
  Status read_tag(MsgpackReader& reader, std::string_view name);
  Status read_tags(MsgpackReader& reader);
  Status read_fields(MsgpackReader& reader);
  Status read_values(MsgpackReader& reader);
  Status join(size_t byte);
  std::string_view keep(std::string text);

  const std::optional<Precision> precision_;
  Row row_;
  std::string measurement_;
  RowPair host_;  // of type null: none
  std::vector<RowPair> tags_;
  std::vector<RowPair> fields_;
  std::vector<std::string_view> names_;  // sorted
  std::deque<std::string> kept_;         // what the row has and the body has not
};

}  // namespace millrace::columnar
