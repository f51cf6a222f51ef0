#include "catalog/sqlite_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstring>

namespace millrace::catalog {
namespace {

constexpr uint64_t kWalHeaderBytes = 32;
constexpr int kSectorBytes = 4096;
constexpr int kMaxPath = 4096;

/// What has no name, or must not reach the disk. sync() has nothing to do.
class MemoryFile final : public io::File {
 public:
  explicit MemoryFile(std::string path) : path_(std::move(path)) {}

  Result<size_t> read_at(uint64_t position, io::MutableBytes out) const override {
    if (position >= bytes_.size()) {
      return size_t{0};
    }
    const size_t count = std::min<uint64_t>(out.size(), bytes_.size() - position);
    std::memcpy(out.data(), bytes_.data() + position, count);
    return count;
  }

  Result<size_t> write_some(uint64_t position, std::span<const io::ConstBytes> parts) override {
    size_t written = 0;
    for (const io::ConstBytes part : parts) {
      const uint64_t at = position + written;
      bytes_.resize(std::max<uint64_t>(bytes_.size(), at + part.size()));
      std::copy(part.begin(), part.end(), bytes_.begin() + static_cast<ptrdiff_t>(at));
      written += part.size();
    }
    return written;
  }

  Status sync() override { return {}; }

  Status resize(uint64_t size) override {
    bytes_.resize(size);
    return {};
  }

  Status reserve(uint64_t) override { return {}; }

  Result<uint64_t> size() const override { return uint64_t{bytes_.size()}; }

  const std::string& path() const override { return path_; }

 private:
  const std::string path_;
  std::vector<std::byte> bytes_;
};

}  // namespace

struct SqliteVfs::State {
  struct OpenFile {
    std::unique_ptr<io::File> file;
    State* vfs = nullptr;
    bool is_frozen = false;
    bool is_wal = false;
    bool syncs_directory = false;  // its name may not be durable yet
  };

  /// What SQLite allocates for a file; a standard-layout struct that begins with its own.
  struct Handle {
    sqlite3_file base;
    OpenFile* file;
  };

  State(io::Disk& on, Access how) : disk(on), access(how) {}

  static State& of(sqlite3_vfs* vfs) { return *static_cast<State*>(vfs->pAppData); }

  static OpenFile& of(sqlite3_file* file) { return *reinterpret_cast<Handle*>(file)->file; }

  /// Keeps the error for the message, gives SQLite its number. A full disk is no I/O error: the
  /// transaction is rolled back and may be tried again.
  int refuse(Error error, int code) {
    const bool is_full = error.code == Code::kOverloaded;
    last_error = std::move(error);
    return is_full ? SQLITE_FULL : code;
  }

  Result<std::unique_ptr<OpenFile>> make_file(const char* path, int flags);

  // sqlite3_vfs
  static int open(sqlite3_vfs* vfs, sqlite3_filename path, sqlite3_file* out, int flags,
                  int* out_flags);
  static int remove(sqlite3_vfs* vfs, const char* path, int syncs_directory);
  static int exists(sqlite3_vfs* vfs, const char* path, int, int* result);
  static int full_path(sqlite3_vfs*, const char* path, int size, char* out);

  // sqlite3_io_methods
  static int close(sqlite3_file* file);
  static int read(sqlite3_file* file, void* out, int size, sqlite3_int64 position);
  static int write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 position);
  static int truncate(sqlite3_file* file, sqlite3_int64 size);
  static int sync(sqlite3_file* file, int flags);
  static int size(sqlite3_file* file, sqlite3_int64* out);
  static const sqlite3_io_methods* methods();

  io::Disk& disk;
  const Access access;
  std::string name;
  sqlite3_vfs vfs{};
  std::optional<Error> last_error;
  OpenFile* wal = nullptr;
  std::optional<uint64_t> transaction_from;  // lowest position in the WAL that it wrote
};

Result<std::unique_ptr<SqliteVfs::State::OpenFile>> SqliteVfs::State::make_file(const char* path,
                                                                                int flags) {
  auto open = std::make_unique<OpenFile>();
  open->vfs = this;
  open->is_wal = (flags & SQLITE_OPEN_WAL) != 0;
  const int temporary = SQLITE_OPEN_DELETEONCLOSE | SQLITE_OPEN_TEMP_DB | SQLITE_OPEN_TEMP_JOURNAL |
                        SQLITE_OPEN_TRANSIENT_DB | SQLITE_OPEN_SUBJOURNAL;
  if (path == nullptr || (flags & temporary) != 0) {
    open->file = std::make_unique<MemoryFile>("temporary");
    return open;
  }
  if (access == Access::kFrozen) {
    MILLRACE_TRY(const bool is_there, disk.exists(path));
    open->is_frozen = is_there;
    if (!is_there && (flags & SQLITE_OPEN_CREATE) != 0) {
      open->file = std::make_unique<MemoryFile>(path);
      return open;
    }
  } else {
    open->syncs_directory = true;
  }
  const bool creates = (flags & SQLITE_OPEN_CREATE) != 0;
  const bool writes = (flags & SQLITE_OPEN_READWRITE) != 0;
  const io::OpenMode mode = open->is_frozen || !writes             ? io::OpenMode::kRead
                            : !creates                             ? io::OpenMode::kReadWrite
                            : (flags & SQLITE_OPEN_EXCLUSIVE) != 0 ? io::OpenMode::kCreateNew
                                                                   : io::OpenMode::kCreate;
  MILLRACE_TRY(open->file, disk.open(path, mode));
  return open;
}

int SqliteVfs::State::open(sqlite3_vfs* vfs, sqlite3_filename path, sqlite3_file* out, int flags,
                           int* out_flags) {
  State& state = of(vfs);
  auto* handle = reinterpret_cast<Handle*>(out);
  handle->base.pMethods = nullptr;  // there is nothing to close unless this succeeds
  auto made = state.make_file(path, flags);
  if (!made.ok()) {
    state.last_error = std::move(made).error();
    return SQLITE_CANTOPEN;
  }
  std::unique_ptr<OpenFile> open = std::move(made).value();
  if (out_flags != nullptr) {
    *out_flags = open->is_frozen ? (flags & ~SQLITE_OPEN_READWRITE) | SQLITE_OPEN_READONLY : flags;
  }
  if (open->is_wal) {
    state.wal = open.get();
  }
  handle->file = open.release();
  handle->base.pMethods = methods();
  return SQLITE_OK;
}

int SqliteVfs::State::remove(sqlite3_vfs* vfs, const char* path, int syncs_directory) {
  State& state = of(vfs);
  if (state.access == Access::kFrozen) {
    return SQLITE_READONLY;
  }
  Status removed = state.disk.remove(path);
  if (!removed.ok() && removed.error().code == Code::kNotFound) {
    return SQLITE_IOERR_DELETE_NOENT;
  }
  if (!removed.ok()) {
    return state.refuse(std::move(removed).error(), SQLITE_IOERR_DELETE);
  }
  if (syncs_directory != 0) {
    Status synced = state.disk.sync_directory(io::parent_of(path));
    if (!synced.ok()) {
      state.last_error = std::move(synced).error();
      return SQLITE_IOERR_DIR_FSYNC;
    }
  }
  return SQLITE_OK;
}

int SqliteVfs::State::exists(sqlite3_vfs* vfs, const char* path, int, int* result) {
  State& state = of(vfs);
  auto found = state.disk.exists(path);
  if (!found.ok()) {
    state.last_error = std::move(found).error();
    return SQLITE_IOERR_ACCESS;
  }
  *result = *found ? 1 : 0;
  return SQLITE_OK;
}

int SqliteVfs::State::full_path(sqlite3_vfs*, const char* path, int size, char* out) {
  const size_t length = std::strlen(path);
  if (length + 1 > static_cast<size_t>(size)) {
    return SQLITE_CANTOPEN;
  }
  std::memcpy(out, path, length + 1);
  return SQLITE_OK;
}

int SqliteVfs::State::close(sqlite3_file* file) {
  const std::unique_ptr<OpenFile> open(&of(file));
  if (open->vfs->wal == open.get()) {
    open->vfs->wal = nullptr;
  }
  return SQLITE_OK;
}

int SqliteVfs::State::read(sqlite3_file* file, void* out, int size, sqlite3_int64 position) {
  const OpenFile& open = of(file);
  const io::MutableBytes bytes(static_cast<std::byte*>(out), static_cast<size_t>(size));
  auto count = open.file->read_at(static_cast<uint64_t>(position), bytes);
  if (!count.ok()) {
    open.vfs->last_error = std::move(count).error();
    return SQLITE_IOERR_READ;
  }
  if (*count == bytes.size()) {
    return SQLITE_OK;
  }
  std::memset(bytes.data() + *count, 0, bytes.size() - *count);  // SQLite relies on it
  return SQLITE_IOERR_SHORT_READ;
}

int SqliteVfs::State::write(sqlite3_file* file, const void* bytes, int size,
                            sqlite3_int64 position) {
  const OpenFile& open = of(file);
  if (open.is_frozen) {
    return SQLITE_READONLY;
  }
  State& state = *open.vfs;
  const auto at = static_cast<uint64_t>(position);
  if (open.is_wal && at >= kWalHeaderBytes) {
    state.transaction_from = std::min(at, state.transaction_from.value_or(at));
  }
  Status written = open.file->write_at(
      at, io::ConstBytes(static_cast<const std::byte*>(bytes), static_cast<size_t>(size)));
  return written.ok() ? SQLITE_OK : state.refuse(std::move(written).error(), SQLITE_IOERR_WRITE);
}

int SqliteVfs::State::truncate(sqlite3_file* file, sqlite3_int64 size) {
  const OpenFile& open = of(file);
  if (open.is_frozen) {
    return SQLITE_READONLY;
  }
  Status resized = open.file->resize(static_cast<uint64_t>(size));
  return resized.ok() ? SQLITE_OK
                      : open.vfs->refuse(std::move(resized).error(), SQLITE_IOERR_TRUNCATE);
}

/// Never SQLITE_FULL: a file system that allocates late may say ENOSPC here, and then bytes whose
/// write had succeeded are lost.
int SqliteVfs::State::sync(sqlite3_file* file, int) {
  OpenFile& open = of(file);
  if (open.is_frozen) {
    return SQLITE_OK;
  }
  Status synced = open.file->sync();
  if (synced.ok() && open.syncs_directory) {
    synced = open.vfs->disk.sync_directory(io::parent_of(open.file->path()));
    open.syncs_directory = !synced.ok();
  }
  if (!synced.ok()) {
    open.vfs->last_error = std::move(synced).error();
    return SQLITE_IOERR_FSYNC;
  }
  return SQLITE_OK;
}

int SqliteVfs::State::size(sqlite3_file* file, sqlite3_int64* out) {
  const OpenFile& open = of(file);
  auto bytes = open.file->size();
  if (!bytes.ok()) {
    open.vfs->last_error = std::move(bytes).error();
    return SQLITE_IOERR_FSTAT;
  }
  *out = static_cast<sqlite3_int64>(*bytes);
  return SQLITE_OK;
}

const sqlite3_io_methods* SqliteVfs::State::methods() {
  static const sqlite3_io_methods methods = [] {
    sqlite3_io_methods made{};
    made.iVersion = 1;  // no shared memory
    made.xClose = close;
    made.xRead = read;
    made.xWrite = write;
    made.xTruncate = truncate;
    made.xSync = sync;
    made.xFileSize = size;
    made.xLock = [](sqlite3_file*, int) { return SQLITE_OK; };
    made.xUnlock = [](sqlite3_file*, int) { return SQLITE_OK; };
    made.xCheckReservedLock = [](sqlite3_file*, int* held) {
      *held = 0;
      return SQLITE_OK;
    };
    made.xFileControl = [](sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; };
    made.xSectorSize = [](sqlite3_file*) { return kSectorBytes; };
    // No promise at all: a write is not atomic, and one that power interrupts may harm its sector.
    made.xDeviceCharacteristics = [](sqlite3_file*) { return 0; };
    return made;
  }();
  return &methods;
}

SqliteVfs::SqliteVfs(io::Disk& disk, Access access)
    : state_(std::make_unique<State>(disk, access)) {
  static std::atomic<uint64_t> count{0};
  state_->name = fmt::format("millrace-{}", ++count);
  sqlite3_vfs& vfs = state_->vfs;
  const sqlite3_vfs* system = sqlite3_vfs_find(nullptr);
  vfs.iVersion = 1;
  vfs.szOsFile = sizeof(State::Handle);
  vfs.mxPathname = kMaxPath;
  vfs.zName = state_->name.c_str();
  vfs.pAppData = state_.get();
  vfs.xOpen = State::open;
  vfs.xDelete = State::remove;
  vfs.xAccess = State::exists;
  vfs.xFullPathname = State::full_path;
  vfs.xRandomness = system->xRandomness;
  vfs.xSleep = system->xSleep;
  vfs.xCurrentTime = system->xCurrentTime;
  vfs.xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
  sqlite3_vfs_register(&vfs, 0);
}

SqliteVfs::~SqliteVfs() {
  sqlite3_vfs_unregister(&state_->vfs);
}

const char* SqliteVfs::name() const {
  return state_->vfs.zName;
}

std::optional<Error> SqliteVfs::take_error() {
  return std::exchange(state_->last_error, std::nullopt);
}

void SqliteVfs::mark_transaction() {
  state_->transaction_from.reset();
}

Status SqliteVfs::undo_transaction() {
  const auto from = std::exchange(state_->transaction_from, std::nullopt);
  if (!from || state_->wal == nullptr) {
    return {};
  }
  MILLRACE_TRY_STATUS(state_->wal->file->resize(*from));
  return state_->wal->file->sync();
}

}  // namespace millrace::catalog
