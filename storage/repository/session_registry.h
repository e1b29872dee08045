// SessionRegistry: what this server remembers of open sessions beside their rows.
//
// Losing it (a restart, another server) costs an agent a few repeated uploads and
// nothing else: everything that safety rests on is in the catalog.

#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include <absl/container/flat_hash_set.h>

#include "storage/base/ids.h"
#include "storage/base/mutex.h"

namespace mooring::storage {

// Most sessions remembered, and most chunks remembered of one.
inline constexpr std::size_t kRegistrySessionsMax = 4096;
inline constexpr std::size_t kRegistryChunksMax = 65'536;

// Thread-safe.
class SessionRegistry {
 public:
  // A new upload of the session: the one before it is over. Returns its number.
  std::uint64_t BeginUpload(const SessionId& session);
  bool IsCurrent(const SessionId& session, std::uint64_t upload) const;

  // The session sent the bytes of a chunk that was there already, so that no
  // row says that this session uploaded it.
  void NoteUploaded(const SessionId& session, const ChunkId& id);
  bool HasUploaded(const SessionId& session, const ChunkId& id) const;

  void Forget(const SessionId& session);

 private:
  struct Entry {
    std::uint64_t upload = 0;
    absl::flat_hash_set<ChunkId> uploaded;
  };

  mutable Mutex mutex_;
  std::uint64_t last_upload_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<SessionId, Entry> sessions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::storage
