#include "agent/ios/readonly_vfs.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <sqlite3.h>

namespace mooring::agent {
namespace {

struct OpenedFile {
  sqlite3_file base;
  ReadonlyVfs* vfs;
};

ReadonlyVfs& VfsOf(sqlite3_file* file) {
  return *reinterpret_cast<OpenedFile*>(file)->vfs;
}

int Close(sqlite3_file*) {
  return SQLITE_OK;
}

int Read(sqlite3_file* file, void* out, int bytes, sqlite3_int64 offset) {
  auto* first = static_cast<std::byte*>(out);
  const auto want = static_cast<std::size_t>(bytes);
  std::size_t got = 0;
  if (!VfsOf(file).Read(static_cast<std::uint64_t>(offset), {first, want}, got)) {
    return SQLITE_IOERR_READ;
  }
  if (got == want) return SQLITE_OK;
  // SQLite asks for the rest of a short read to be zero.
  std::fill(first + got, first + want, std::byte{0});
  return SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file*, const void*, int, sqlite3_int64) {
  return SQLITE_READONLY;
}
int Truncate(sqlite3_file*, sqlite3_int64) {
  return SQLITE_READONLY;
}
int Sync(sqlite3_file*, int) {
  return SQLITE_OK;
}

int FileSize(sqlite3_file* file, sqlite3_int64* bytes) {
  *bytes = static_cast<sqlite3_int64>(VfsOf(file).size_bytes());
  return SQLITE_OK;
}

int Lock(sqlite3_file*, int) {
  return SQLITE_OK;
}

int CheckReservedLock(sqlite3_file*, int* held) {
  *held = 0;
  return SQLITE_OK;
}

int FileControl(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}
int SectorSize(sqlite3_file*) {
  return 4096;
}
int DeviceCharacteristics(sqlite3_file*) {
  return SQLITE_IOCAP_IMMUTABLE;
}

const sqlite3_io_methods* Methods() {
  static const sqlite3_io_methods methods = [] {
    sqlite3_io_methods table{};
    table.iVersion = 1;
    table.xClose = Close;
    table.xRead = Read;
    table.xWrite = Write;
    table.xTruncate = Truncate;
    table.xSync = Sync;
    table.xFileSize = FileSize;
    table.xLock = Lock;
    table.xUnlock = Lock;
    table.xCheckReservedLock = CheckReservedLock;
    table.xFileControl = FileControl;
    table.xSectorSize = SectorSize;
    table.xDeviceCharacteristics = DeviceCharacteristics;
    return table;
  }();
  return &methods;
}

int Open(sqlite3_vfs* vfs, const char*, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  // No journal, no temporary file: content must not reach a disk.
  if ((flags & SQLITE_OPEN_MAIN_DB) == 0) return SQLITE_CANTOPEN;
  auto* opened = reinterpret_cast<OpenedFile*>(file);
  opened->vfs = static_cast<ReadonlyVfs*>(vfs->pAppData);
  opened->base.pMethods = Methods();
  if (out_flags != nullptr) *out_flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs*, const char*, int) {
  return SQLITE_IOERR_DELETE;
}

int Access(sqlite3_vfs*, const char*, int, int* result) {
  *result = 0;
  return SQLITE_OK;
}

int FullPathname(sqlite3_vfs*, const char* name, int bytes, char* out) {
  sqlite3_snprintf(bytes, out, "%s", name);
  return SQLITE_OK;
}

// A database that is only read needs neither; fixed answers keep it repeatable.
int Randomness(sqlite3_vfs*, int bytes, char* out) {
  std::memset(out, 0, static_cast<std::size_t>(bytes));
  return bytes;
}
int Sleep(sqlite3_vfs*, int) {
  return 0;
}
int CurrentTime(sqlite3_vfs*, double* now) {
  *now = 0;
  return SQLITE_OK;
}
int LastError(sqlite3_vfs*, int, char*) {
  return 0;
}

}  // namespace

ReadonlyVfs::ReadonlyVfs(FileReader& file)
    : file_(file),
      name_(fmt::format("mooring-{}", fmt::ptr(this))),
      vfs_(std::make_unique<sqlite3_vfs>()) {
  vfs_->iVersion = 1;
  vfs_->szOsFile = sizeof(OpenedFile);
  vfs_->mxPathname = 256;
  vfs_->zName = name_.c_str();
  vfs_->pAppData = this;
  vfs_->xOpen = Open;
  vfs_->xDelete = Delete;
  vfs_->xAccess = Access;
  vfs_->xFullPathname = FullPathname;
  vfs_->xRandomness = Randomness;
  vfs_->xSleep = Sleep;
  vfs_->xCurrentTime = CurrentTime;
  vfs_->xGetLastError = LastError;
  sqlite3_vfs_register(vfs_.get(), 0);
}

ReadonlyVfs::~ReadonlyVfs() {
  sqlite3_vfs_unregister(vfs_.get());
}

const Bytes* ReadonlyVfs::LoadBlock(std::uint64_t index) {
  if (const auto known = by_index_.find(index); known != by_index_.end()) {
    recent_.splice(recent_.begin(), recent_, known->second);
    return &recent_.front().bytes;
  }
  Block block{.index = index, .bytes = Bytes(kBlockBytes)};
  const absl::StatusOr<std::size_t> got = file_.ReadAt(index * kBlockBytes, block.bytes);
  if (!got.ok()) {
    read_status_ = got.status();
    return nullptr;
  }
  block.bytes.resize(*got);
  if (recent_.size() == kBlocks) {
    by_index_.erase(recent_.back().index);
    recent_.pop_back();
  }
  recent_.push_front(std::move(block));
  by_index_[index] = recent_.begin();
  return &recent_.front().bytes;
}

bool ReadonlyVfs::Read(std::uint64_t offset, std::span<std::byte> out, std::size_t& got) {
  got = 0;
  while (got < out.size() && offset + got < file_.size_bytes()) {
    const std::uint64_t at = offset + got;
    const Bytes* block = LoadBlock(at / kBlockBytes);
    if (block == nullptr) return false;
    const std::size_t start = at % kBlockBytes;
    if (start >= block->size()) return true;
    const std::size_t piece = std::min(block->size() - start, out.size() - got);
    std::copy_n(block->begin() + static_cast<std::ptrdiff_t>(start), piece,
                out.begin() + static_cast<std::ptrdiff_t>(got));
    got += piece;
  }
  return true;
}

}  // namespace mooring::agent
