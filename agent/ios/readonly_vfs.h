// ReadonlyVfs: lets SQLite read a database through a FileReader, that is from
// chunks, without a file. Writing, journals and temporary files do not exist in it.
//
// Interface: https://www.sqlite.org/vfs.html

#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>

#include "agent/pipeline/snapshot_builder.h"
#include "storage/base/bytes.h"

struct sqlite3_vfs;

namespace mooring::agent {

// Thread-bound; registered with SQLite under a name of its own while it exists.
// `file` must outlive it. Holds at most kBlocks blocks of the file.
class ReadonlyVfs {
 public:
  static constexpr std::size_t kBlockBytes = std::size_t{64} << 10;
  static constexpr std::size_t kBlocks = 64;

  explicit ReadonlyVfs(FileReader& file);
  ~ReadonlyVfs();
  ReadonlyVfs(const ReadonlyVfs&) = delete;
  ReadonlyVfs& operator=(const ReadonlyVfs&) = delete;

  const std::string& name() const { return name_; }
  std::uint64_t size_bytes() const { return file_.size_bytes(); }
  // Why the last read failed; SQLite itself only says that it did.
  const absl::Status& read_status() const { return read_status_; }

  // Fills `out`; false at an error. `got` is short only at the end.
  bool Read(std::uint64_t offset, std::span<std::byte> out, std::size_t& got);

 private:
  struct Block {
    std::uint64_t index = 0;
    Bytes bytes;
  };

  const Bytes* LoadBlock(std::uint64_t index);

  FileReader& file_;
  const std::string name_;
  std::unique_ptr<sqlite3_vfs> vfs_;
  absl::Status read_status_;
  std::list<Block> recent_;  // Most recently used first.
  absl::flat_hash_map<std::uint64_t, std::list<Block>::iterator> by_index_;
};

}  // namespace mooring::agent
