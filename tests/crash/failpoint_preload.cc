// Preloaded into a shipped mooringd (LD_PRELOAD): see failpoint.h. Plain functions under
// libc's names; no library but libc, for it runs inside of malloc and before main.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>

#include "tests/crash/failpoint.h"

extern "C" void* __libc_malloc(std::size_t size);  // NOLINT(bugprone-reserved-identifier): glibc's.

namespace mooring::testing {
namespace {

constexpr int kDescriptorsMax = 65536;

FailpointPage* page = nullptr;
// Of a socket to PostgreSQL: a COMMIT was sent and not answered yet.
std::atomic<bool> commit_sent[kDescriptorsMax];

__attribute__((constructor)) void MapBoard() {
  const char* const path = std::getenv(kFailpointVariable);
  if (path == nullptr) return;
  const long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* const mapped = mmap(nullptr, sizeof(FailpointPage), PROT_READ | PROT_WRITE, MAP_SHARED,
                            static_cast<int>(fd), 0);
  syscall(SYS_close, fd);
  if (mapped != MAP_FAILED) page = static_cast<FailpointPage*>(mapped);
}

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

[[noreturn]] void Die() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// Counts the call, and says what is to become of it.
FailAction Draw(FailOp op, FailPlace place) {
  if (page == nullptr || place == FailPlace::kEnd) return FailAction::kNone;
  page->counts[static_cast<std::uint32_t>(op)][static_cast<std::uint32_t>(place)]++;
  if (page->armed.load(std::memory_order_acquire) == 0) return FailAction::kNone;
  if (page->op != op || page->place != place) return FailAction::kNone;
  const std::uint64_t n = ++page->seen;
  if (n < page->nth || (n > page->nth && page->forever == 0)) return FailAction::kNone;
  page->acted++;
  if (page->action == FailAction::kKillBefore) Die();
  if (page->action == FailAction::kError) errno = page->error;
  return page->action;
}

void DieAfter(FailAction action) {
  if (action == FailAction::kKillAfter || action == FailAction::kKillTorn) Die();
}

bool StartsWith(const char* text, const char* prefix) {
  return std::strncmp(text, prefix, std::strlen(prefix)) == 0;
}

FailPlace PlaceOf(const char* path) {
  if (page == nullptr || path == nullptr || path[0] != '/') return FailPlace::kEnd;
  const std::size_t length = std::strlen(page->repository);
  if (length == 0 || std::strncmp(path, page->repository, length) != 0 ||
      (path[length] != '/' && path[length] != '\0')) {
    return FailPlace::kElsewhere;
  }
  const char* const inside = path[length] == '/' ? path + length + 1 : "";
  if (StartsWith(inside, "staging")) return FailPlace::kStaging;
  if (StartsWith(inside, "packs")) return FailPlace::kPacks;
  if (StartsWith(inside, "snapshots")) return FailPlace::kSnapshots;
  if (StartsWith(inside, "keys")) return FailPlace::kKeys;
  if (StartsWith(inside, "gc")) return FailPlace::kCollection;
  if (StartsWith(inside, "catalog")) return FailPlace::kCatalog;
  return FailPlace::kRepository;
}

FailPlace PlaceOf(int fd) {
  if (page == nullptr) return FailPlace::kEnd;
  char link[64];
  char path[1024];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0) return FailPlace::kEnd;
  path[n] = '\0';
  return PlaceOf(path);
}

// PostgreSQL is all that a server speaks to over a Unix socket.
bool IsDatabase(int fd) {
  if (page == nullptr || fd < 0 || fd >= kDescriptorsMax) return false;
  int domain = 0;
  socklen_t size = sizeof domain;
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

}  // namespace

extern "C" {

int FailOpen(const char* path, int flags, ...) __asm__("open");
int FailOpen(const char* path, int flags, ...) {
  static auto* const real = Real<int(const char*, int, ...)>("open");
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  FailAction action = FailAction::kNone;
  if ((flags & O_CREAT) != 0) action = Draw(FailOp::kCreate, PlaceOf(path));
  if (action == FailAction::kError) return -1;
  const int fd = real(path, flags, mode);
  DieAfter(action);
  return fd;
}

ssize_t FailWrite(int fd, const void* bytes, std::size_t size) __asm__("write");
ssize_t FailWrite(int fd, const void* bytes, std::size_t size) {
  static auto* const real = Real<ssize_t(int, const void*, std::size_t)>("write");
  const FailAction action = Draw(FailOp::kWrite, PlaceOf(fd));
  if (action == FailAction::kError) return -1;
  // On the grid of direct writes.
  if (action == FailAction::kKillTorn && size > 8192) size = size / 2 / 4096 * 4096;
  const ssize_t written = real(fd, bytes, size);
  DieAfter(action);
  return written;
}

int FailSync(int fd) __asm__("fsync");
int FailSync(int fd) {
  static auto* const real = Real<int(int)>("fsync");
  struct stat st {};
  const bool is_directory = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
  const FailAction action =
      Draw(is_directory ? FailOp::kSyncDirectory : FailOp::kSync, PlaceOf(fd));
  if (action == FailAction::kError) return -1;
  if (action == FailAction::kSkip) return 0;
  const int result = real(fd);
  DieAfter(action);
  return result;
}

int FailRename(const char* from, const char* to) __asm__("rename");
int FailRename(const char* from, const char* to) {
  static auto* const real = Real<int(const char*, const char*)>("rename");
  const FailAction action = Draw(FailOp::kRename, PlaceOf(to));
  if (action == FailAction::kError) return -1;
  const int result = real(from, to);
  DieAfter(action);
  return result;
}

int FailRenameAt(int from_fd, const char* from, int to_fd, const char* to,
                 unsigned flags) __asm__("renameat2");
int FailRenameAt(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) {
  static auto* const real = Real<int(int, const char*, int, const char*, unsigned)>("renameat2");
  const FailAction action = Draw(FailOp::kRename, PlaceOf(to));
  if (action == FailAction::kError) return -1;
  const int result = real(from_fd, from, to_fd, to, flags);
  DieAfter(action);
  return result;
}

int FailUnlink(const char* path) __asm__("unlink");
int FailUnlink(const char* path) {
  static auto* const real = Real<int(const char*)>("unlink");
  const FailAction action = Draw(FailOp::kUnlink, PlaceOf(path));
  if (action == FailAction::kError) return -1;
  const int result = real(path);
  DieAfter(action);
  return result;
}

int FailMkdir(const char* path, mode_t mode) __asm__("mkdir");
int FailMkdir(const char* path, mode_t mode) {
  static auto* const real = Real<int(const char*, mode_t)>("mkdir");
  const FailAction action = Draw(FailOp::kMkdir, PlaceOf(path));
  if (action == FailAction::kError) return -1;
  const int result = real(path, mode);
  DieAfter(action);
  return result;
}

ssize_t FailReadAt(int fd, void* bytes, std::size_t size, off_t offset) __asm__("pread");
ssize_t FailReadAt(int fd, void* bytes, std::size_t size, off_t offset) {
  static auto* const real = Real<ssize_t(int, void*, std::size_t, off_t)>("pread");
  const FailAction action = Draw(FailOp::kRead, PlaceOf(fd));
  if (action == FailAction::kError) return -1;
  const ssize_t result = real(fd, bytes, size, offset);
  DieAfter(action);
  return result;
}

ssize_t FailSend(int fd, const void* bytes, std::size_t size, int flags) __asm__("send");
ssize_t FailSend(int fd, const void* bytes, std::size_t size, int flags) {
  static auto* const real = Real<ssize_t(int, const void*, std::size_t, int)>("send");
  if (!IsDatabase(fd)) return real(fd, bytes, size, flags);
  const bool is_commit = memmem(bytes, size, "COMMIT", 6) != nullptr;
  const FailAction action =
      Draw(is_commit ? FailOp::kCommit : FailOp::kStatement, FailPlace::kDatabase);
  if (action == FailAction::kError) {
    // As a connection that is gone: libpq learns of it from what it reads.
    shutdown(fd, SHUT_RDWR);
    return -1;
  }
  const ssize_t sent = real(fd, bytes, size, flags);
  DieAfter(action);
  if (is_commit) commit_sent[fd] = true;
  return sent;
}

ssize_t FailReceive(int fd, void* bytes, std::size_t size, int flags) __asm__("recv");
ssize_t FailReceive(int fd, void* bytes, std::size_t size, int flags) {
  static auto* const real = Real<ssize_t(int, void*, std::size_t, int)>("recv");
  const ssize_t received = real(fd, bytes, size, flags);
  if (received <= 0 || !IsDatabase(fd) || !commit_sent[fd].exchange(false)) return received;
  const FailAction action = Draw(FailOp::kAnswer, FailPlace::kDatabase);
  DieAfter(action);
  if (action == FailAction::kLoseReply) {
    errno = ECONNRESET;
    return -1;
  }
  return received;
}

void* FailAllocate(std::size_t size) __asm__("malloc");
void* FailAllocate(std::size_t size) {
  const FailAction action = Draw(FailOp::kAllocate, FailPlace::kMemory);
  if (action == FailAction::kError) return nullptr;
  return __libc_malloc(size);
}

}  // extern "C"

}  // namespace mooring::testing
