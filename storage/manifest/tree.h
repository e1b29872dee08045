// The overlay's tree: records ordered by path, in numbered slots. What a file
// costs is laid out in storage/design/repository-format.md, "Overlay".

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>

#include "storage/manifest/chunk_table.h"
#include "storage/manifest/manifest.h"
#include "storage/manifest/path_order.h"
#include "storage/manifest/slab.h"
#include "storage/manifest/text_arena.h"

namespace mooring::storage {

// Directory paths, each kept once while an entry lies directly in it. Thread-compatible.
class DirectoryTable {
 public:
  // A number for `path`, with one more use.
  std::uint32_t Add(std::string_view path);
  void RemoveUse(std::uint32_t index);
  std::string_view Get(std::uint32_t index) const { return slots_[index].path; }
  bool Contains(std::string_view path) const { return by_path_.contains(path); }

 private:
  struct Slot {
    std::string path;
    std::uint32_t uses = 0;
  };
  Slab<Slot> slots_;
  absl::flat_hash_map<std::string_view, std::uint32_t> by_path_;  // Views the slots' paths.
};

// How a record holds its content.
enum class Content : std::uint8_t { kNone, kOneExtent, kManyExtents, kTarget };

// One entry. The meaning of `first` and `second`: chunk and offset of the one
// extent (as long as the file); number of the extent list; text and length of
// a link target.
struct Record {
  std::uint32_t dir = 0;
  TextAt name = 0;
  std::uint16_t name_bytes = 0;
  EntryType type = EntryType::kDirectory;  // A blank record counts as nothing.
  Content content = Content::kNone;
  std::uint32_t mode = 0;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_unix_ns = 0;
  FileDigest digest;
  std::uint32_t first = 0;
  std::uint32_t second = 0;
};
static_assert(sizeof(Record) == 72);

// Numbers of records, in path order. Paths are unique. Thread-compatible; does
// not move, because its order refers to it.
class Tree {
 public:
  struct Less {
    using is_transparent = void;
    bool operator()(std::uint32_t a, std::uint32_t b) const {
      return a != b && ComparePaths(tree->PathOf(a), tree->PathOf(b)) < 0;
    }
    bool operator()(std::uint32_t a, const SplitPath& b) const {
      return ComparePaths(tree->PathOf(a), b) < 0;
    }
    bool operator()(const SplitPath& a, std::uint32_t b) const {
      return ComparePaths(a, tree->PathOf(b)) < 0;
    }
    const Tree* tree;
  };
  using Order = absl::btree_set<std::uint32_t, Less>;

  Tree();
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  // Adds an entry, or replaces the one that is there.
  absl::Status Set(std::string_view path, const Entry& entry);
  void Remove(std::uint32_t index);
  // Moves a record; nothing stands at `path`.
  void Move(std::uint32_t index, std::string_view path);

  // The record at `path`, or end().
  Order::const_iterator Find(std::string_view path) const { return order_.find(Split(path)); }
  // The first record in `directory` ("" is the top) or below it, and the first
  // that follows and is not.
  Order::const_iterator BeginBelow(std::string_view directory) const;
  Order::const_iterator EndBelow(std::string_view directory) const;
  bool HasBelow(std::string_view directory) const;
  // Numbers of the record at `path` and of all below it.
  std::vector<std::uint32_t> Subtree(std::string_view path) const;
  // Whether an entry lies directly in `directory`.
  bool HasDirectly(std::string_view directory) const { return dirs_.Contains(directory); }

  Order::const_iterator end() const { return order_.end(); }
  const Record& Get(std::uint32_t index) const { return records_[index]; }
  SplitPath PathOf(std::uint32_t index) const {
    const Record& record = records_[index];
    return {dirs_.Get(record.dir), text_.Get(record.name, record.name_bytes)};
  }
  Entry EntryOf(std::uint32_t index) const;

  std::uint64_t entry_count() const { return order_.size(); }
  std::uint64_t file_count() const { return file_count_; }
  std::uint64_t logical_bytes() const { return logical_bytes_; }

 private:
  // An extent of a file with several, its chunk by number.
  struct SmallExtent {
    std::uint32_t chunk = 0;
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
  };
  using ExtentList = std::vector<SmallExtent>;

  absl::StatusOr<ExtentList> AddExtents(const std::vector<Extent>& extents);
  absl::Status SetContent(Record& record, const Entry& entry);
  void ReleaseContent(Record& record);
  // Copies the strings that live into a new arena once enough of them died.
  void RebuildTextIfWasteful();

  DirectoryTable dirs_;
  TextArena text_;
  ChunkTable chunks_;
  Slab<Record> records_;
  Slab<ExtentList> extent_lists_;
  Order order_;
  std::uint64_t file_count_ = 0;
  std::uint64_t logical_bytes_ = 0;
};

}  // namespace mooring::storage
