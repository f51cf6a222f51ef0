// What this process has used of the cores.
#pragma once

namespace millrace {

/// User and system time of all its threads so far, in seconds. What the kernel does for it in
/// threads of its own, as writing out pages, is not in it.
double own_cpu_seconds();

}  // namespace millrace
