#include "objects/s3_store.h"

#include "objects/s3_client.h"

#include <algorithm>
#include <utility>

namespace millrace::objects {
namespace {

constexpr size_t kMostPrefixBytes = 120;  // with kMaxNameBytes and slashes within a key's 1,024

Status check_options(const S3StoreOptions& options) {
  if (options.bucket.empty() || options.bucket.find('/') != std::string::npos) {
    return make_error(Code::kInvalid, "\"{}\" is no name of a bucket", options.bucket);
  }
  if (options.scheme != "http" && options.scheme != "https") {
    return make_error(Code::kInvalid, "\"{}\" is neither http nor https", options.scheme);
  }
  if (options.endpoint.find('/') != std::string::npos) {
    return make_error(Code::kInvalid, "\"{}\" is no endpoint: host:port is, without scheme or path",
                      options.endpoint);
  }
  if (options.access_key.empty() != options.secret_key.empty()) {
    return make_error(Code::kInvalid, "an access key and a secret key are given together, or none");
  }
  if (!options.prefix.empty()) {
    MILLRACE_TRY_STATUS(check_name(options.prefix));
  }
  if (options.prefix.size() > kMostPrefixBytes) {
    return make_error(Code::kInvalid, "a prefix of {} bytes; up to {} are taken",
                      options.prefix.size(), kMostPrefixBytes);
  }
  return {};
}

}  // namespace

class S3Store::Writer final : public ObjectWriter {
 public:
  Writer(S3Client& client, std::string name, S3Client::Stream stream)
      : client_(client), name_(std::move(name)), stream_(std::move(stream)) {}

  ~Writer() override {
    if (stream_) {
      give_up();
    }
  }

  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Status write(std::span<const std::byte> bytes) override {
    return client_.counters.checked(write_parts(bytes));
  }

  Status publish() override {
    MILLRACE_TRY_STATUS(client_.counters.checked(close()));
    client_.note_bucket();
    client_.counters.bytes_written += bytes_;
    return {};
  }

 private:
  /// As many bytes at a time as fill the part, to know when one is under way.
  Status write_parts(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto part =
          bytes.first(std::min<uint64_t>(bytes.size(), kPartBytes - bytes_ % kPartBytes));
      bytes = bytes.subspan(part.size());
      bytes_ += part.size();
      const bool is_full = bytes_ % kPartBytes == 0;
      if (is_full) {
        client_.counters.count(RequestKind::kPart, bytes_ == kPartBytes ? 2 : 1);  // and the begin
      }
      auto status = stream_->Write(part.data(), static_cast<int64_t>(part.size()));
      if (status.ok() && is_full && bytes_ / kPartBytes % kPartsAtOnce == 0) {
        status = stream_->Flush();  // waits for all
      }
      if (!status.ok()) {
        return client_.error_of("write", name_, status);
      }
    }
    return {};
  }

  Status close() {
    // Errors of parts are found here, when the upload can still be aborted: after Close() it
    // cannot.
    if (const auto status = stream_->Flush(); !status.ok()) {
      give_up();
      return client_.error_of("write", name_, status);
    }
    const bool has_rest = bytes_ % kPartBytes != 0;
    if (bytes_ < kPartBytes) {
      client_.counters.count(RequestKind::kPut);
    } else {
      client_.counters.count(RequestKind::kPart, has_rest ? 2 : 1);  // the rest and the end
    }
    const auto status = stream_->Close();
    stream_.reset();
    return status.ok() ? Status{} : client_.error_of("write", name_, status);
  }

  void give_up() {
    if (bytes_ >= kPartBytes) {
      client_.counters.count(RequestKind::kDelete);
    }
    client_.abort(std::move(stream_), name_);
    stream_.reset();
  }

  S3Client& client_;
  const std::string name_;
  S3Client::Stream stream_;  // null: published, or given up
  uint64_t bytes_ = 0;
};

class S3Store::Reader final : public ObjectReader {
 public:
  Reader(S3Client& client, std::string name, S3Client::File file, uint64_t bytes)
      : client_(client), name_(std::move(name)), file_(std::move(file)), bytes_(bytes) {}

  uint64_t bytes() const override { return bytes_; }

  Status read_at(uint64_t position, std::span<std::byte> out) const override {
    return client_.counters.checked(read_range(position, out));
  }

 private:
  Status read_range(uint64_t position, std::span<std::byte> out) const {
    if (position > bytes_ || out.size() > bytes_ - position) {
      return ends_at(bytes_, position, out.size());
    }
    if (out.empty()) {
      return {};
    }
    client_.counters.count(RequestKind::kGet);
    const auto read =
        file_->ReadAt(static_cast<int64_t>(position), static_cast<int64_t>(out.size()), out.data());
    if (!read.ok()) {
      return why(position, out.size(), read.status());
    }
    if (static_cast<uint64_t>(*read) != out.size()) {
      return ends_at(position + static_cast<uint64_t>(*read), position, out.size());
    }
    client_.counters.bytes_read += out.size();
    return {};
  }

  /// Of a failed GET. The body of a server's error goes where the bytes should, and when it does
  /// not fit, what is told is that and not the error: a HEAD tells.
  Error why(uint64_t position, size_t wanted, const arrow::Status& status) const {
    const auto now = client_.open_file(name_);
    if (!now.ok()) {
      return now.error();
    }
    if (const uint64_t size = size_of(**now); size < position + wanted) {
      return ends_at(size, position, wanted);
    }
    return client_.error_of("read", name_, status);
  }

  Error ends_at(uint64_t end, uint64_t position, size_t wanted) const {
    return make_error(Code::kCorrupt, "{}: ends at {}, wanted {} bytes at {}",
                      client_.url_of(name_), end, wanted, position);
  }

  S3Client& client_;
  const std::string name_;
  const S3Client::File file_;
  const uint64_t bytes_;
};

S3Store::S3Store(S3StoreOptions options)
    : client_(std::make_unique<S3Client>(std::move(options), counters_)) {}

S3Store::~S3Store() = default;

Result<std::unique_ptr<S3Store>> S3Store::open(S3StoreOptions options) {
  MILLRACE_TRY_STATUS(check_options(options));
  return std::unique_ptr<S3Store>(new S3Store(std::move(options)));
}

void S3Store::finish() {
  finish_s3();
}

Result<std::unique_ptr<ObjectWriter>> S3Store::create(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  MILLRACE_TRY(auto stream, counters_.checked(client_->open_stream(name)));
  return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*client_, name, std::move(stream)));
}

Result<std::vector<ObjectInfo>> S3Store::list(const std::string& folder) {
  MILLRACE_TRY_STATUS(check_folder(folder));
  return counters_.checked(client_->list(folder));
}

Result<std::unique_ptr<ObjectReader>> S3Store::read(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  MILLRACE_TRY(auto file, counters_.checked(client_->open_file(name)));
  const uint64_t bytes = size_of(*file);
  return std::unique_ptr<ObjectReader>(
      std::make_unique<Reader>(*client_, name, std::move(file), bytes));
}

Result<ObjectInfo> S3Store::look(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  MILLRACE_TRY(const auto file, counters_.checked(client_->open_file(name)));
  return ObjectInfo{name, size_of(*file)};
}

Status S3Store::remove(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  return counters_.checked(client_->remove(name));
}

std::string S3Store::location_of(const std::string& name) const {
  return client_->url_of(name);
}

}  // namespace millrace::objects
