// For files that define or await coroutines. Headers that only declare them include "task.h".
#pragma once

#include "runtime/task.h"

#include <boost/asio/awaitable.hpp>
