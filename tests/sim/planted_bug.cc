#include "tests/sim/planted_bug.h"

#include <algorithm>

#include "storage/base/status.h"
#include "storage/seal/key_ring.h"
#include "tests/sim/memory_catalog/memory_chunk_index.h"
#include "tests/sim/memory_catalog/memory_device_store.h"
#include "tests/sim/memory_catalog/memory_key_store.h"
#include "tests/sim/memory_catalog/memory_pack_store.h"
#include "tests/sim/memory_catalog/memory_session_store.h"
#include "tests/sim/memory_catalog/memory_snapshot_store.h"

namespace mooring::testing {
namespace {

using storage::RowLock;

// A store with one method of another meaning.

// No session is open, no pack is anybody's, and what is swept keeps its row.
class SweptOpenPacks final : public MemoryPackStore {
 public:
  using MemoryPackStore::MemoryPackStore;
  absl::StatusOr<std::vector<std::int64_t>> ListOfOpenSessions() override {
    return std::vector<std::int64_t>();
  }
  absl::StatusOr<std::optional<storage::PackRecord>> Get(const PackId& id, RowLock lock) override {
    MOORING_ASSIGN_OR_RETURN(std::optional<storage::PackRecord> pack,
                             MemoryPackStore::Get(id, lock));
    if (pack) pack->session.reset();
    return pack;
  }
  absl::Status Discard(const PackId& /*id*/) override { return absl::OkStatus(); }
};

class KeylessSessions final : public MemorySessionStore {
 public:
  using MemorySessionStore::MemorySessionStore;
  absl::StatusOr<std::optional<storage::SessionRecord>> FindByIdempotencyKey(
      ByteView /*key*/) override {
    return std::optional<storage::SessionRecord>();
  }
};

class ForgetfulSessions final : public MemorySessionStore {
 public:
  using MemorySessionStore::MemorySessionStore;
  absl::StatusOr<std::optional<storage::SessionRecord>> Get(const SessionId& id,
                                                            RowLock lock) override {
    MOORING_ASSIGN_OR_RETURN(std::optional<storage::SessionRecord> session,
                             MemorySessionStore::Get(id, lock));
    if (session && session->state == v1::SESSION_STATE_COMMITTED) {
      session->state = v1::SESSION_STATE_OPEN;
      session->receipt.reset();
    }
    return session;
  }
};

class UnlockedSessions final : public MemorySessionStore {
 public:
  using MemorySessionStore::MemorySessionStore;
  absl::StatusOr<std::optional<storage::SessionRecord>> Get(const SessionId& id,
                                                            RowLock /*lock*/) override {
    return MemorySessionStore::Get(id, RowLock::kNone);
  }
};

class UnlockedDevices final : public MemoryDeviceStore {
 public:
  using MemoryDeviceStore::MemoryDeviceStore;
  absl::StatusOr<std::optional<storage::DeviceRecord>> Get(const DeviceId& id,
                                                           RowLock /*lock*/) override {
    return MemoryDeviceStore::Get(id, RowLock::kNone);
  }
};

class ForgottenKeySlots final : public MemoryKeyStore {
 public:
  using MemoryKeyStore::MemoryKeyStore;
  absl::Status Create(const storage::KeySlot& slot) override {
    if (slot.purpose == storage::KeyPurpose::kSnapshotKey) return absl::OkStatus();
    return MemoryKeyStore::Create(slot);
  }
};

class UndeletedSnapshots final : public MemorySnapshotStore {
 public:
  using MemorySnapshotStore::MemorySnapshotStore;
  absl::Status MarkDeleted(const SnapshotId& /*id*/, absl::Time /*at*/) override {
    return absl::OkStatus();
  }
};

class OwnerlessChunks final : public MemoryChunkIndex {
 public:
  using MemoryChunkIndex::MemoryChunkIndex;

 protected:
  bool Owns(const PersonId& /*person*/, std::uint64_t /*no*/) const override { return true; }
};

class EverLiveChunks final : public MemoryChunkIndex {
 public:
  using MemoryChunkIndex::MemoryChunkIndex;

 protected:
  bool CountsAsLive(const IndexedChunk& /*chunk*/) const override { return true; }
};

class RisenChunks final : public MemoryChunkIndex {
 public:
  using MemoryChunkIndex::MemoryChunkIndex;

 protected:
  void TakeOver(IndexedChunk& chunk, std::int64_t pack_no, std::uint64_t offset) const override {
    if (chunk.state == storage::ChunkState::kDoomed) return;
    MemoryChunkIndex::TakeOver(chunk, pack_no, offset);
  }
};

template <typename Store, typename Base>
std::unique_ptr<Base> Make(MemoryTx& tx, Tables& tables) {
  return std::make_unique<Store>(tx, tables);
}

}  // namespace

const std::vector<PlantedBugInfo>& PlantedBugs() {
  static const auto* const bugs = new std::vector<PlantedBugInfo>{
      {PlantedBug::kStoreLosesRename, "store-loses-rename", "swarm"},
      {PlantedBug::kStoreHidesShortObject, "store-hides-short-object", "swarm"},
      {PlantedBug::kCommitLostButOk, "commit-lost-but-ok", "swarm"},
      {PlantedBug::kSweepTakesOpenPack, "sweep-takes-open-pack", "collect"},
      {PlantedBug::kBeginKeyIgnored, "begin-key-ignored", "swarm"},
      {PlantedBug::kReceiptForgotten, "receipt-forgotten", "swarm"},
      {PlantedBug::kTombstoneIsLate, "tombstone-is-late", "swarm"},
      {PlantedBug::kKeySlotForgotten, "key-slot-forgotten", "swarm"},
      {PlantedBug::kSessionNotLocked, "session-not-locked", "swarm"},
      {PlantedBug::kOwnerNotAsked, "owner-not-asked", "swarm"},
      {PlantedBug::kDeletionForgotten, "deletion-forgotten", "swarm"},
      {PlantedBug::kCommitSkipsRecheck, "commit-skips-recheck", "collect"},
      {PlantedBug::kRepositoryNotLocked, "repository-not-locked", "collect"},
      {PlantedBug::kDoomedLivesAgain, "doomed-lives-again", "collect"},
  };
  return *bugs;
}

std::optional<PlantedBug> PlantedBugOf(std::string_view name) {
  for (const PlantedBugInfo& info : PlantedBugs()) {
    if (info.name == name) return info.bug;
  }
  return std::nullopt;
}

StoreMakers MakersWith(PlantedBug bug) {
  StoreMakers makers;
  switch (bug) {
    case PlantedBug::kSweepTakesOpenPack:
      makers.packs = Make<SweptOpenPacks, storage::PackStore>;
      break;
    case PlantedBug::kBeginKeyIgnored:
      makers.sessions = Make<KeylessSessions, storage::SessionStore>;
      break;
    case PlantedBug::kReceiptForgotten:
      makers.sessions = Make<ForgetfulSessions, storage::SessionStore>;
      break;
    case PlantedBug::kSessionNotLocked:
      makers.sessions = Make<UnlockedSessions, storage::SessionStore>;
      makers.devices = Make<UnlockedDevices, storage::DeviceStore>;
      break;
    case PlantedBug::kKeySlotForgotten:
      makers.keys = Make<ForgottenKeySlots, storage::KeyStore>;
      break;
    case PlantedBug::kDeletionForgotten:
      makers.snapshots = Make<UndeletedSnapshots, storage::SnapshotStore>;
      break;
    case PlantedBug::kOwnerNotAsked:
      makers.chunks = Make<OwnerlessChunks, storage::ChunkIndex>;
      break;
    case PlantedBug::kCommitSkipsRecheck:
      makers.chunks = Make<EverLiveChunks, storage::ChunkIndex>;
      break;
    case PlantedBug::kDoomedLivesAgain:
      makers.chunks = Make<RisenChunks, storage::ChunkIndex>;
      break;
    case PlantedBug::kRepositoryNotLocked:
      makers.locks_repository = false;
      break;
    default:
      break;
  }
  return makers;
}

}  // namespace mooring::testing
