#include "kafka/error_map.h"

namespace millrace::kafka {

ErrorCode error_code_of(Code code) {
  switch (code) {
    case Code::kNotFound:
      return ErrorCode::kUnknownTopicOrPartition;
    case Code::kCorrupt:
      return ErrorCode::kCorruptMessage;
    case Code::kIo:
    case Code::kOverloaded:
    case Code::kReadOnly:
      return ErrorCode::kKafkaStorageError;  // retriable: the client asks for metadata and tries
                                             // again
    case Code::kTimeout:
    case Code::kOutcomeUnknown:
      return ErrorCode::kRequestTimedOut;
    case Code::kCancelled:
      return ErrorCode::kNotLeaderOrFollower;  // retriable; only when nothing was written
    case Code::kConflict:
      return ErrorCode::kTopicAlreadyExists;
    case Code::kFenced:
      return ErrorCode::kInvalidProducerEpoch;
    case Code::kForbidden:
      return ErrorCode::kTopicAuthorizationFailed;
    case Code::kInvalid:
      return ErrorCode::kInvalidRequest;
    case Code::kTooLarge:
      return ErrorCode::kMessageTooLarge;
    case Code::kUnsupported:
      return ErrorCode::kUnsupportedVersion;
    case Code::kInternal:
      return ErrorCode::kUnknownServerError;
  }
  return ErrorCode::kUnknownServerError;
}

ErrorCode batch_error_code_of(Code code) {
  switch (code) {
    case Code::kInvalid:
      return ErrorCode::kInvalidRecord;
    case Code::kUnsupported:
      return ErrorCode::kUnsupportedForMessageFormat;
    default:
      return error_code_of(code);
  }
}

}  // namespace millrace::kafka
