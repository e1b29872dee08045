// PendingFiles: files whose content is not yet all sealed, so that their chunks
// are not known. A rename or removal meanwhile follows the
// file by its path here; once the last piece is sealed the file is complete.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "agent/pipeline/seal_pipeline.h"
#include "storage/manifest/manifest.h"

namespace mooring::agent {

// A run of a file's bytes inside a submitted piece.
struct PendingExtent {
  Ticket ticket = 0;
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;
};

// Bounded by what the pipeline has in flight and one bundle per domain.
// Thread-compatible.
class PendingFiles {
 public:
  struct Complete {
    std::string path;
    storage::Entry entry;  // With extents and digest.
  };

  using Handle = std::uint64_t;

  // A file that is being written.
  Handle Begin();
  // Its next run of bytes. Before the piece is submitted.
  void Extend(Handle file, const PendingExtent& extent);
  // The writer gave up.
  void Abandon(Handle file);
  // All is written. `entry` has everything but extents and digest. Returns the
  // file if it is complete already.
  std::optional<Complete> Close(Handle file, const std::string& path, storage::Entry entry);

  // What became of a piece. Returns the files that are complete by it and still wanted.
  std::vector<Complete> Resolve(const SealedPiece& piece);

  // The file at `path`, or all below it.
  void Forget(std::string_view path);
  void Move(std::string_view from, std::string_view to);
  bool Contains(std::string_view path) const;
  bool ContainsBelow(std::string_view path) const;
  bool empty() const { return by_path_.empty(); }

 private:
  struct File {
    std::string path;
    storage::Entry entry;
    std::vector<storage::FrameHash> hashes;  // By extent.
    std::size_t open = 0;                    // Extents whose piece is not sealed.
    bool closed = false;
    bool wanted = true;
  };
  struct Waiting {
    Handle file = 0;
    std::size_t extent = 0;
  };

  std::vector<Handle> At(std::string_view path) const;
  // Takes the file out if nothing is missing.
  std::optional<Complete> TakeIfComplete(Handle handle);

  Handle next_ = 1;
  absl::flat_hash_map<Handle, File> files_;
  std::map<std::string, Handle, std::less<>> by_path_;
  absl::flat_hash_map<Ticket, std::vector<Waiting>> by_ticket_;
};

}  // namespace mooring::agent
