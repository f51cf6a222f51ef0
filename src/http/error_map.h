// Errors as HTTP answers, in the form each family of routes promises.
#pragma once

#include "base/result.h"
#include "net/http_message.h"

#include <string_view>

namespace millrace::http {

/// Which form a route's errors have.
enum class ErrorForm : uint8_t {
  kMillrace,  // {"error":{"code","message","detail"}}
  kInflux1,   // {"error":"message"}
  kInflux2,   // {"code":"invalid","message":"message"}
};

int status_of(Code code);

/// By path: /write and /query are Influx's version 1, /api/v2 its version 2, all else our own.
ErrorForm form_of(std::string_view path);

/// Status, body and, where trying again later helps, Retry-After.
net::HttpResponse answer_of(const Error& error, ErrorForm form);
/// For refusals without an Error: an unknown path, a wrong method, an unreadable request.
net::HttpResponse answer_of(int status, std::string_view code, std::string_view message,
                            ErrorForm form);

}  // namespace millrace::http
