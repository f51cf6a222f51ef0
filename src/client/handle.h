// What the wrappers of librdkafka share. Not for use outside this folder.
#pragma once

#include "base/result.h"

#include <librdkafka/rdkafka.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

namespace millrace::client {

struct HandleDeleter {
  void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
};

using Handle = std::unique_ptr<rd_kafka_t, HandleDeleter>;

/// Our error for one of librdkafka's: `what` says what was tried.
Error error_of(rd_kafka_resp_err_t code, std::string_view what, std::string_view detail = {});

/// A producer or consumer that logs nothing by itself. Errors: kInvalid (a setting it does not
/// take). `is_down` is set, by rd_kafka_poll(), once no server of the list can be reached; it
/// outlives the handle.
Result<Handle> make_handle(rd_kafka_type_t type, const std::string& servers,
                           std::initializer_list<std::pair<const char*, std::string>> settings,
                           bool* is_down = nullptr);

}  // namespace millrace::client
