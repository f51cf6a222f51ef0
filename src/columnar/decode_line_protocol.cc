#include "columnar/decode_line_protocol.h"

#include <utility>

namespace millrace::columnar {
namespace {

class Decoder {
 public:
  Decoder(std::string_view body, Precision precision, int64_t arrival_ns,
          const SchemaLookup& schema_of)
      : parser_(body, precision), rows_(body.size(), arrival_ns, schema_of) {}

  LineProtocolBatches decode() && {
    for (;;) {
      const LineParser::Outcome outcome = parser_.next(line_);
      if (outcome == LineParser::Outcome::kEnd) {
        result_.batches = std::move(rows_).finish();
        return std::move(result_);
      }
      if (outcome == LineParser::Outcome::kError) {
        note_error(parser_.error());
      } else if (auto problem = rows_.take(line_)) {
        note_error(*std::move(problem));
      } else {
        result_.lines.resize(rows_.measurements());
        result_.lines[rows_.last()].push_back(parser_.text());
        ++result_.rows;
      }
    }
  }

 private:
  void note_error(std::string message) {
    if (++result_.error_count <= kMostLineErrors) {
      result_.errors.push_back({parser_.line_number(), std::move(message)});
    }
  }

  LineParser parser_;
  Row line_;
  OpenBatches rows_;
  LineProtocolBatches result_;
};

}  // namespace

Result<LineProtocolBatches> decode_line_protocol(std::string_view body, Precision precision,
                                                 ArrivalTime arrival,
                                                 const SchemaLookup& schema_of) {
  if (body.size() > kMostStringBytes) {
    return make_error(Code::kInvalid, "a request of {} bytes is longer than {}", body.size(),
                      kMostStringBytes);
  }
  MILLRACE_TRY(const int64_t arrival_ns, nanoseconds_of(arrival));
  return Decoder(body, precision, arrival_ns, schema_of).decode();
}

}  // namespace millrace::columnar
