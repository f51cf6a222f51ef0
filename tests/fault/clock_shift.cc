// Moves a process's wall clock: preloaded (LD_PRELOAD), it adds what the file named by
// CLOCK_SHIFT_FILE holds to every reading of it. The file is 8 bytes, nanoseconds, of the machine's
// byte order; a test writes it while the process runs. The steady clock stays the machine's.
// An absolute deadline of the wall clock is handed on in the kernel's time, as it would have been
// computed from it.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace {

constexpr int64_t kSecond = 1'000'000'000;

const std::atomic<int64_t>* open_shift() {
  const char* path = std::getenv("CLOCK_SHIFT_FILE");
  const int file = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  void* const place =
      file < 0 ? MAP_FAILED : mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  if (place == MAP_FAILED) {
    std::fputs("clock_shift: CLOCK_SHIFT_FILE must name a file of 8 bytes\n", stderr);
    std::_Exit(97);
  }
  close(file);
  return static_cast<const std::atomic<int64_t>*>(place);
}

int64_t shift() {
  static const std::atomic<int64_t>* const kShift = open_shift();
  return kShift->load(std::memory_order_relaxed);
}

int64_t read(clockid_t clock) {
  using Function = int (*)(clockid_t, timespec*);
  static const auto kReal = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "clock_gettime"));
  timespec time{};
  kReal(clock, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

timespec to_timespec(int64_t nanoseconds) {
  int64_t seconds = nanoseconds / kSecond;
  int64_t rest = nanoseconds % kSecond;
  if (rest < 0) {  // before 1970
    rest += kSecond;
    --seconds;
  }
  return {.tv_sec = seconds, .tv_nsec = rest};
}

int64_t shifted_wall() {
  return read(CLOCK_REALTIME) + shift();
}

/// A condition may wait by either clock, and does not say which: a deadline is near its own.
timespec in_kernel_time(const timespec& deadline) {
  const int64_t time = deadline.tv_sec * kSecond + deadline.tv_nsec;
  const bool is_wall = std::llabs(time - shifted_wall()) < std::llabs(time - read(CLOCK_MONOTONIC));
  return is_wall ? to_timespec(time - shift()) : deadline;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) {
  const bool is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  *time = to_timespec(read(clock) + (is_wall ? shift() : 0));
  return 0;
}

int gettimeofday(timeval* time, void* /*zone*/) {
  const timespec now = to_timespec(shifted_wall());
  *time = {.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* out) {
  const time_t now = to_timespec(shifted_wall()).tv_sec;
  if (out != nullptr) {
    *out = now;
  }
  return now;
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                           const timespec* deadline) {
  using Function = int (*)(pthread_cond_t*, pthread_mutex_t*, const timespec*);
  // The version of today: an older one of the same name has another layout.
  static const auto kReal =
      reinterpret_cast<Function>(dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2"));
  const timespec real = in_kernel_time(*deadline);
  return kReal(condition, mutex, &real);
}

int sem_timedwait(sem_t* semaphore, const timespec* deadline) {
  using Function = int (*)(sem_t*, const timespec*);
  static const auto kReal = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "sem_timedwait"));
  const timespec real = in_kernel_time(*deadline);
  return kReal(semaphore, &real);
}

}  // extern "C"
