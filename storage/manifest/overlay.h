// Overlay: the tree of the snapshot in the making. It starts as the previous
// snapshot's tree (or empty) and is changed in place; nothing outside it
// changes until its segments are committed.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/manifest/manifest.h"

namespace mooring::storage {

struct ListedEntry {
  std::string name;  // One component.
  EntryType type = EntryType::kFile;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_unix_ns = 0;
};

// Compact: 125 bytes for a file in a bundle and 200 for one with a chunk of its
// own, its path included; chunk references are stored once. Thread-compatible.
//
// Paths are as in CheckSnapshotPath; kInvalidArgument otherwise. Directories
// exist where an entry lies below them or MakeDirectory made them.
class Overlay {
 public:
  Overlay();
  ~Overlay();
  Overlay(Overlay&&) noexcept;
  Overlay& operator=(Overlay&&) noexcept;

  // Adds the entries of one decoded segment of the base.
  absl::Status Load(std::vector<PathEntry> entries);

  // Adds or replaces. A file replaces a file or symlink only.
  absl::Status Put(std::string_view path, const Entry& entry);
  absl::Status MakeDirectory(std::string_view path, std::int64_t modified_unix_ns);
  // The file, or the directory and all below. OK if there is none.
  absl::Status Remove(std::string_view path);
  // Moves a file or a tree, replacing `to`. kNotFound: no `from`. O(log n) per moved entry.
  absl::Status Rename(std::string_view from, std::string_view to);
  // Copies a file or a tree: metadata and references, no bytes.
  absl::Status Copy(std::string_view from, std::string_view to);

  std::optional<Entry> Find(std::string_view path) const;
  bool IsDirectory(std::string_view path) const;
  // Children of `directory` ("" is the top) in name order; a range scan.
  std::vector<ListedEntry> List(std::string_view directory) const;
  // Every entry at or below `prefix` in path order, until `visit` fails.
  absl::Status Visit(std::string_view prefix,
                     absl::FunctionRef<absl::Status(std::string_view, const Entry&)> visit) const;

  std::uint64_t entry_count() const;
  std::uint64_t file_count() const;
  std::uint64_t logical_bytes() const;

 private:
  struct Tree;
  std::unique_ptr<Tree> tree_;
};

// Cuts an overlay into segments and hands each out as plain content to be
// framed and sealed (kind 2). The cut after an entry depends on its path alone,
// so unchanged neighborhoods give unchanged segments.
class SegmentEncoder {
 public:
  // `emit` receives one segment's content, its first path and entry count.
  using Emit = absl::FunctionRef<absl::Status(ByteView content, std::string_view first_path,
                                              std::uint32_t entries)>;
  // `domains` receives the table that ChunkRef.domain indexes (for the root).
  // What it holds already keeps its place: pass the base's, or unchanged
  // segments may not stay the same.
  static absl::Status Encode(const Overlay& overlay, std::vector<DomainId>& domains, Emit emit);

  // A segment ends after a path whose hash has its low seven bits zero.
  static std::uint64_t PathHash(std::string_view path);
};

}  // namespace mooring::storage
