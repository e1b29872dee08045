#include "storage/repository/session_registry.h"

#include <algorithm>

namespace mooring::storage {

std::uint64_t SessionRegistry::BeginUpload(const SessionId& session) {
  MutexLock lock(mutex_);
  if (sessions_.size() >= kRegistrySessionsMax && sessions_.count(session) == 0) {
    // Sessions that ended at another server are never forgotten otherwise.
    const auto oldest = std::min_element(
        sessions_.begin(), sessions_.end(),
        [](const auto& a, const auto& b) { return a.second.upload < b.second.upload; });
    sessions_.erase(oldest);
  }
  sessions_[session].upload = ++last_upload_;
  return last_upload_;
}

bool SessionRegistry::IsCurrent(const SessionId& session, std::uint64_t upload) const {
  MutexLock lock(mutex_);
  const auto found = sessions_.find(session);
  return found != sessions_.end() && found->second.upload == upload;
}

void SessionRegistry::NoteUploaded(const SessionId& session, const ChunkId& id) {
  MutexLock lock(mutex_);
  const auto found = sessions_.find(session);
  if (found == sessions_.end() || found->second.uploaded.size() >= kRegistryChunksMax) return;
  found->second.uploaded.insert(id);
}

bool SessionRegistry::HasUploaded(const SessionId& session, const ChunkId& id) const {
  MutexLock lock(mutex_);
  const auto found = sessions_.find(session);
  return found != sessions_.end() && found->second.uploaded.contains(id);
}

void SessionRegistry::Forget(const SessionId& session) {
  MutexLock lock(mutex_);
  sessions_.erase(session);
}

}  // namespace mooring::storage
