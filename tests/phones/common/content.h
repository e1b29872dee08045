// What is in the files of a simulated phone: made from a seed whenever it is
// read, so that a phone of 20 GB costs neither disk nor memory.
//
// Content is made in blocks of 4 KiB. A change ("edit") rewrites one block and
// about one in sixteen others, as a database or a document that was worked on
// would change, so that deduplication has something real to find.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/mutex.h"
#include "tests/phones/common/digest.h"

namespace mooring::testing {

enum class ContentKind : std::uint8_t {
  kJpeg,      // Incompressible, with a JPEG header.
  kMovie,     // Incompressible, with a QuickTime header.
  kDatabase,  // Compresses about threefold, with an SQLite header.
  kText,      // The same without a header.
  kApk,       // Incompressible; the header tells the seed, which names an app of package_table.h.
  kKept,      // Not made: bytes that came in by a restore, kept in the library.
};

// Names one content; two equal refs have equal bytes.
struct ContentRef {
  std::uint64_t seed = 0;  // Of kKept: where the bytes begin in the library's file.
  std::uint64_t size_bytes = 0;
  std::uint32_t edits = 0;
  ContentKind kind = ContentKind::kText;
  bool has_marker = false;

  friend bool operator==(const ContentRef&, const ContentRef&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ContentRef& ref) {
    return H::combine(std::move(h), ref.seed, ref.size_bytes, ref.edits, ref.kind, ref.has_marker);
  }
};

// What follows the header of a kApk content: this, the seed in 16 hexadecimal digits, a line end.
inline constexpr std::string_view kApkMark = "MOORING-APK ";

// The contents of all phones of one process. Knows the digest of each content that
// was read once, so that what comes in by a restore is mostly recognized and
// need not be kept. Thread-safe.
class ContentLibrary {
 public:
  // `marker` is written into every block of contents that ask for it. `directory`
  // takes an unlinked file for restored bytes that nothing here can make.
  ContentLibrary(std::string marker, std::string directory);
  ~ContentLibrary();
  ContentLibrary(const ContentLibrary&) = delete;
  ContentLibrary& operator=(const ContentLibrary&) = delete;

  // Fills `out` from `offset` on; the caller stays within the content.
  absl::Status Read(const ContentRef& ref, std::uint64_t offset, std::span<char> out);
  absl::StatusOr<Sha256Digest> Digest(const ContentRef& ref);

  // Whether its digest was computed.
  bool IsKnown(const ContentRef& ref);
  void Learn(const ContentRef& ref, const Sha256Digest& digest);
  std::optional<ContentRef> Find(const Sha256Digest& digest, std::uint64_t size_bytes);
  // Keeps the first `size_bytes` of the open file `source`.
  absl::StatusOr<ContentRef> Keep(int source, std::uint64_t size_bytes, const Sha256Digest& digest);

  const std::string& marker() const { return marker_; }
  const std::string& directory() const { return directory_; }

 private:
  void MakeBlock(const ContentRef& ref, std::uint64_t block, std::span<char> out) const;

  const std::string marker_;
  const std::string directory_;
  Mutex mutex_;
  int kept_file_ ABSL_GUARDED_BY(mutex_) = -1;
  std::uint64_t kept_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<ContentRef, Sha256Digest> digests_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, ContentRef> by_digest_ ABSL_GUARDED_BY(mutex_);
};

// Content on its way in: hashed while it comes, kept only if nothing here can make it.
// Thread-compatible.
class IncomingContent {
 public:
  explicit IncomingContent(ContentLibrary& library) : library_(library) {}
  ~IncomingContent();
  IncomingContent(const IncomingContent&) = delete;
  IncomingContent& operator=(const IncomingContent&) = delete;

  absl::Status Append(std::string_view bytes);
  absl::StatusOr<ContentRef> Finish();
  std::uint64_t size_bytes() const { return size_bytes_; }
  // The first bytes, up to 4 KiB.
  const std::string& head() const { return head_; }

 private:
  ContentLibrary& library_;
  Sha256Stream hash_;
  std::string head_;
  std::uint64_t size_bytes_ = 0;
  int file_ = -1;
};

// An unlinked file in `directory`, open for reading and writing.
absl::StatusOr<int> OpenUnlinkedFile(const std::string& directory);

// A number that depends on `value` alone and looks random (SplitMix64's finalizer).
std::uint64_t Scramble(std::uint64_t value);

}  // namespace mooring::testing
