#include "io/uring_queue.h"

#include "base/check.h"

#include <liburing.h>

#include <atomic>
#include <cerrno>

namespace millrace::io {
namespace {

class UringQueue final : public WriteQueue {
 public:
  UringQueue(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}

  ~UringQueue() override {
    if (is_open_) {
      while (under_way_ > 0) {
        static_cast<void>(wait());
      }
      ::io_uring_queue_exit(&ring_);
    }
  }

  UringQueue(const UringQueue&) = delete;
  UringQueue& operator=(const UringQueue&) = delete;

  Status open(unsigned depth) {
    if (const int failed = ::io_uring_queue_init(depth, &ring_, 0); failed < 0) {
      return unsupported(errno_error("io_uring_setup(2)", path_, -failed).message);
    }
    is_open_ = true;
    io_uring_probe* probe = ::io_uring_get_probe_ring(&ring_);
    const bool can_write =
        probe != nullptr && ::io_uring_opcode_supported(probe, IORING_OP_WRITE) != 0;
    ::io_uring_free_probe(probe);
    return can_write ? Status{} : unsupported("io_uring(7) without IORING_OP_WRITE");
  }

  Status submit(uint64_t position, ConstBytes bytes, uint64_t id) override {
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    if (entry == nullptr) {
      return make_error(Code::kIo, "io_uring of {}: more writes than its depth", path_);
    }
    ::io_uring_prep_write(entry, descriptor_, bytes.data(), static_cast<unsigned>(bytes.size()),
                          position);
    ::io_uring_sqe_set_data64(entry, id);
    int submitted = 0;
    do {
      submitted = ::io_uring_submit(&ring_);
    } while (submitted == -EINTR);
    if (submitted < 0) {
      return errno_error("io_uring_enter(2)", path_, -submitted);
    }
    ++under_way_;
    return {};
  }

  Done wait() override {
    io_uring_cqe* entry = nullptr;
    int failed = 0;
    do {
      failed = ::io_uring_wait_cqe(&ring_, &entry);
    } while (failed == -EINTR);
    MILLRACE_CHECK(failed == 0, "io_uring_enter(2) cannot wait");
    Done done{::io_uring_cqe_get_data64(entry), size_t{0}};
    if (entry->res >= 0) {
      done.written = static_cast<size_t>(entry->res);
    } else if (entry->res != -EINTR && entry->res != -EAGAIN) {
      done.written = errno_error("write by io_uring", path_, -entry->res);
    }
    ::io_uring_cqe_seen(&ring_, entry);
    --under_way_;
    return done;
  }

 private:
  static Error unsupported(const std::string& why) {
    return make_error(Code::kUnsupported, "{}; choose another way of writing", why);
  }

  const int descriptor_;
  const std::string path_;
  io_uring ring_{};
  bool is_open_ = false;
  std::atomic<unsigned> under_way_{0};
};

}  // namespace

Result<std::unique_ptr<WriteQueue>> make_uring_queue(int descriptor, const std::string& path,
                                                     unsigned depth) {
  auto queue = std::make_unique<UringQueue>(descriptor, path);
  MILLRACE_TRY_STATUS(queue->open(depth));
  return std::unique_ptr<WriteQueue>(std::move(queue));
}

}  // namespace millrace::io
