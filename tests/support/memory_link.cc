#include "tests/support/memory_link.h"

#include <utility>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/manifest/manifest.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::testing {
namespace {

std::string RandomBytes(Random& random, std::size_t size) {
  Bytes bytes(size);
  random.Fill(bytes);
  return ToString(bytes);
}

}  // namespace

MemoryLink::MemoryLink(Random& random) : random_(random), device_(DeviceId::Make(random)) {
  auto pair = storage::MakeHpkeKeyPair(random);
  MOORING_CHECK(pair.ok());
  hpke_ = *std::move(pair);
  keys_.set_domain_id(RandomBytes(random, DomainId::kBytes));
  keys_.set_domain_secret(RandomBytes(random, 32));
  keys_.set_chunker_secret(RandomBytes(random, 32));
  keys_.set_organization_domain_id(RandomBytes(random, DomainId::kBytes));
  keys_.set_organization_domain_secret(RandomBytes(random, 32));
  keys_.set_organization_chunker_secret(RandomBytes(random, 32));
}

void MemoryLink::set_admitted(bool admitted) {
  MutexLock lock(mutex_);
  admitted_ = admitted;
}
void MemoryLink::set_quota_bytes(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  quota_ = bytes;
}
void MemoryLink::set_forgetful(bool forgetful) {
  MutexLock lock(mutex_);
  forgetful_ = forgetful;
}
void MemoryLink::set_discard_content(bool discard) {
  MutexLock lock(mutex_);
  discard_ = discard;
}
std::uint64_t MemoryLink::chunk_count() const {
  MutexLock lock(mutex_);
  return chunks_.size();
}
std::uint64_t MemoryLink::stored_bytes() const {
  MutexLock lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [id, stored] : chunks_) sum += stored.size;
  return sum;
}
std::uint64_t MemoryLink::uploads() const {
  MutexLock lock(mutex_);
  return uploads_;
}
std::uint64_t MemoryLink::uploaded_bytes() const {
  MutexLock lock(mutex_);
  return uploaded_bytes_;
}
std::uint64_t MemoryLink::find_calls() const {
  MutexLock lock(mutex_);
  return finds_;
}
std::uint64_t MemoryLink::read_calls() const {
  MutexLock lock(mutex_);
  return reads_;
}
std::uint64_t MemoryLink::chunks_read() const {
  MutexLock lock(mutex_);
  return chunks_read_;
}
std::size_t MemoryLink::snapshot_count() const {
  MutexLock lock(mutex_);
  return snapshots_.size();
}
const MemoryLink::Snapshot& MemoryLink::snapshot(std::size_t index) const {
  MutexLock lock(mutex_);
  return snapshots_.at(index);
}
std::size_t MemoryLink::CorruptFileChunks() {
  MutexLock lock(mutex_);
  std::size_t count = 0;
  for (auto& [id, stored] : chunks_) {
    if (stored.bytes.size() < 30 || stored.bytes[1] != std::byte{1}) continue;
    stored.bytes[stored.bytes.size() / 2] ^= std::byte{4};
    ++count;
  }
  return count;
}
void MemoryLink::ForgetChunk(const ChunkId& id) {
  MutexLock lock(mutex_);
  chunks_.erase(id);
}
void MemoryLink::ServeSnapshot(std::size_t index) {
  MutexLock lock(mutex_);
  served_ = index;
}

absl::StatusOr<v1::SessionGrant> MemoryLink::Begin(const OpContext&,
                                                   const v1::BeginBackupRequest& request) {
  MutexLock lock(mutex_);
  v1::SessionGrant grant;
  grant.set_session_id(RandomBytes(random_, SessionId::kBytes));
  grant.set_snapshot_id(RandomBytes(random_, SnapshotId::kBytes));
  grant.set_device_id(device_.bytes());
  grant.set_quota_bytes(quota_);
  grant.set_lease_ms(60'000);
  grant.set_phone_encryption(v1::PHONE_ENCRYPTION_AS_IS);
  grant.set_sequence(snapshots_.size() + 1);
  v1::SessionKeys keys = keys_;
  snapshot_key_ = SecretBytes::Make(random_, 32);
  keys.set_snapshot_key(ToString(snapshot_key_.view()));
  readable_.clear();
  if (admitted_ && !snapshots_.empty()) {
    const Snapshot& last = snapshots_.back();
    keys.set_base_snapshot_key(ToString(last.key.view()));
    grant.mutable_base()->set_snapshot_id(
        storage::PeekRoot(AsBytes(last.request.root()))->snapshot.bytes());
    grant.mutable_base()->set_root(last.request.root());
    for (const std::string& id : last.request.base_ids()) readable_.insert(*ChunkId::FromBytes(id));
  }
  auto sealed = storage::HpkeSeal(random_, hpke_.public_key, "mooring/session-keys/1",
                                  AsBytes(grant.session_id()), AsBytes(keys.SerializeAsString()));
  if (!sealed.ok()) return sealed.status();
  grant.set_sealed_session_keys(ToString(*sealed));
  grant_ = grant;
  facts_ = request.device();
  uploads_ = uploaded_bytes_ = new_bytes_ = finds_ = reads_ = chunks_read_ = 0;
  return grant;
}

absl::StatusOr<std::vector<bool>> MemoryLink::Find(const OpContext&, const DomainId&,
                                                   const std::vector<ChunkId>& ids) {
  MutexLock lock(mutex_);
  ++finds_;
  std::vector<bool> found;
  for (const ChunkId& id : ids) found.push_back(!forgetful_ && chunks_.count(id) != 0);
  return found;
}

absl::Status MemoryLink::Upload(const OpContext&, const DomainId&, Bytes sealed) {
  MOORING_RETURN_IF_ERROR(storage::CheckSealedChunk(sealed));
  const ChunkId id = storage::ChunkIdOf(sealed);
  MutexLock lock(mutex_);
  ++uploads_;
  uploaded_bytes_ += sealed.size();
  readable_.insert(id);
  if (chunks_.count(id) != 0) return absl::OkStatus();
  new_bytes_ += sealed.size();
  Stored& stored = chunks_[id];
  stored.size = sealed.size();
  // Segments stay: an incremental reads them.
  if (!discard_ || sealed[1] != std::byte{1}) stored.bytes = std::move(sealed);
  return absl::OkStatus();
}

absl::Status MemoryLink::Flush(const OpContext&) {
  return absl::OkStatus();
}

std::uint64_t MemoryLink::new_bytes() const {
  MutexLock lock(mutex_);
  return new_bytes_;
}

absl::StatusOr<Bytes> MemoryLink::Get(const ChunkId& id) const {
  const auto it = chunks_.find(id);
  if (it == chunks_.end()) return absl::NotFoundError("no such chunk");
  return it->second.bytes;
}

absl::Status MemoryLink::ReadBase(const OpContext&, const std::vector<ChunkId>& ids,
                                  absl::FunctionRef<absl::Status(Bytes sealed)> sink) {
  for (const ChunkId& id : ids) {
    Bytes bytes;
    {
      MutexLock lock(mutex_);
      if (readable_.count(id) == 0) {
        return absl::PermissionDeniedError("a session may read its base alone");
      }
      MOORING_ASSIGN_OR_RETURN(bytes, Get(id));
    }
    MOORING_RETURN_IF_ERROR(sink(std::move(bytes)));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::CommitSnapshotResponse> MemoryLink::Commit(
    const OpContext&, const v1::CommitSnapshotRequest& request) {
  MutexLock lock(mutex_);
  if (request.session_id() != grant_.session_id()) {
    return absl::FailedPreconditionError("another session");
  }
  v1::CommitSnapshotResponse response;
  for (const v1::DomainRefs& refs : request.refs()) {
    for (std::size_t at = 0; at < refs.ids().size(); at += ChunkId::kBytes) {
      const std::string id = refs.ids().substr(at, ChunkId::kBytes);
      if (chunks_.count(*ChunkId::FromBytes(id)) == 0) response.mutable_missing()->append(id);
    }
  }
  if (response.answer_case() == v1::CommitSnapshotResponse::kMissing) return response;
  v1::Receipt& receipt = *response.mutable_receipt();
  receipt.set_snapshot_id(grant_.snapshot_id());
  receipt.set_sequence(grant_.sequence());
  receipt.set_root_hash(storage::ChunkIdOf(AsBytes(request.root())).bytes());
  receipt.set_stored_bytes(new_bytes_);
  snapshots_.push_back({request, snapshot_key_.Clone(), facts_});
  return response;
}

absl::StatusOr<v1::OpenSnapshotResponse> MemoryLink::OpenSnapshot(
    const OpContext&, const v1::OpenSnapshotRequest& request) {
  MutexLock lock(mutex_);
  if (snapshots_.empty()) return absl::NotFoundError("no snapshot");
  const Snapshot& snapshot = snapshots_.at(served_.value_or(snapshots_.size() - 1));
  v1::OpenSnapshotResponse response;
  response.set_grant_id(std::string(16, 'g'));
  response.set_restore_id(std::string(16, 'r'));
  response.set_snapshot_id(storage::PeekRoot(AsBytes(snapshot.request.root()))->snapshot.bytes());
  response.set_root(snapshot.request.root());
  auto sealed =
      storage::HpkeSeal(random_, AsBytes(request.hpke_public_key()), "mooring/snapshot-key/1",
                        AsBytes(response.snapshot_id()), snapshot.key.view());
  if (!sealed.ok()) return sealed.status();
  response.set_sealed_snapshot_key(ToString(*sealed));
  *response.mutable_device() = snapshot.device;
  return response;
}

absl::Status MemoryLink::ReadChunks(const OpContext&, const std::vector<ChunkId>& ids,
                                    absl::FunctionRef<absl::Status(Bytes sealed)> sink) {
  {
    MutexLock lock(mutex_);
    ++reads_;
    chunks_read_ += ids.size();
  }
  for (const ChunkId& id : ids) {
    Bytes bytes;
    {
      MutexLock lock(mutex_);
      MOORING_ASSIGN_OR_RETURN(bytes, Get(id));
    }
    MOORING_RETURN_IF_ERROR(sink(std::move(bytes)));
  }
  return absl::OkStatus();
}

}  // namespace mooring::testing
