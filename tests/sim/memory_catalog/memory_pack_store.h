// Packs in memory. Not final: planted bugs override what they break.

#pragma once

#include <set>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {

class MemoryPackStore : public storage::PackStore {
 public:
  MemoryPackStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::StatusOr<std::int64_t> Stage(const PackId& id, const std::optional<SessionId>& session,
                                     absl::Time at) override {
    MOORING_STATEMENT(tx_);
    PackRow row;
    row.no = t_.pack_no.Next();
    row.id = id;
    row.session = session;
    row.created_at = at;
    MOORING_ASSIGN_OR_RETURN(const bool is_new, t_.pack_id.Insert(tx_, id, row.no));
    if (!is_new) return tx_.Fail(Duplicate("pack"));
    MOORING_RETURN_IF_ERROR(t_.pack.Insert(tx_, row.no, row).status());
    return row.no;
  }

  absl::Status MarkLive(const PackId& id, std::uint64_t bytes, ByteView sha256) override {
    MOORING_STATEMENT(tx_);
    if (sha256.size() != 32) return tx_.Fail(Violates("pack.sha256 has 32 bytes"));
    MOORING_ASSIGN_OR_RETURN(const storage::PackRecord* const row, LockRow(id));
    if (row == nullptr || row->state != storage::PackState::kStaged) {
      return absl::FailedPreconditionError("the pack is not staged");
    }
    t_.pack.Update(tx_, row->no, [&](storage::PackRecord& pack) {
      pack.state = storage::PackState::kLive;
      pack.bytes = bytes;
      pack.sha256 = Owned(sha256);
    });
    return absl::OkStatus();
  }

  absl::Status Discard(const PackId& id) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(const storage::PackRecord* const row, LockRow(id));
    if (row == nullptr || row->state != storage::PackState::kStaged) return absl::OkStatus();
    return EraseRow(row->no, id);
  }

  absl::StatusOr<std::vector<storage::PackRecord>> DoomEmpty(std::span<const std::int64_t> numbers,
                                                             std::uint64_t generation,
                                                             absl::Time at) override {
    MOORING_STATEMENT(tx_);
    std::vector<storage::PackRecord> doomed;
    for (const std::int64_t no : std::set<std::int64_t>(numbers.begin(), numbers.end())) {
      MOORING_ASSIGN_OR_RETURN(const storage::PackRecord* const row,
                               t_.pack.Lock(tx_, no, storage::RowLock::kExclusive));
      if (row == nullptr || row->state != storage::PackState::kLive) continue;
      if (IsReferenced(no, [](const IndexedChunk& chunk) {
            return chunk.state != storage::ChunkState::kDoomed;
          })) {
        continue;
      }
      t_.pack.Update(tx_, no, [&](storage::PackRecord& pack) {
        pack.state = storage::PackState::kDoomed;
        pack.doomed_at = at;
        pack.doom_generation = generation;
      });
      doomed.push_back(*t_.pack.Get(tx_, no));
    }
    return doomed;
  }

  absl::Status Delete(const PackId& id) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(const storage::PackRecord* const row, LockRow(id));
    if (row == nullptr) return absl::OkStatus();
    if (row->state != storage::PackState::kDoomed ||
        IsReferenced(row->no, [](const IndexedChunk&) { return true; })) {
      return absl::FailedPreconditionError("the pack is not doomed, or a chunk lies in it");
    }
    return EraseRow(row->no, id);
  }

  absl::StatusOr<std::optional<storage::PackRecord>> Get(const PackId& id,
                                                         storage::RowLock lock) override {
    MOORING_STATEMENT(tx_);
    const std::int64_t* const no = t_.pack_id.Get(tx_, id);
    if (no == nullptr) return std::optional<storage::PackRecord>();
    MOORING_ASSIGN_OR_RETURN(const storage::PackRecord* const row,
                             t_.pack.Lock(tx_, std::int64_t{*no}, lock));
    return Copy<storage::PackRecord>(row);
  }

  absl::StatusOr<std::vector<storage::PackRecord>> Scan(std::int64_t after, int limit) override {
    MOORING_STATEMENT(tx_);
    std::vector<storage::PackRecord> packs;
    t_.pack.ForEachFrom(tx_, after + 1, [&](std::int64_t, const storage::PackRecord& pack) {
      if (static_cast<int>(packs.size()) >= limit) return false;
      packs.push_back(pack);
      return true;
    });
    return packs;
  }

  absl::StatusOr<std::vector<PackId>> ListUnknown(std::span<const PackId> ids) override {
    MOORING_STATEMENT(tx_);
    std::vector<PackId> unknown;
    for (const PackId& id : ids) {
      if (t_.pack_id.Get(tx_, id) == nullptr) unknown.push_back(id);
    }
    return unknown;
  }

  absl::StatusOr<std::vector<std::int64_t>> ListOfOpenSessions() override {
    MOORING_STATEMENT(tx_);
    return KeysOf(tx_, t_.pack, [this](const storage::PackRecord& pack) {
      const storage::SessionRecord* const session =
          pack.session ? t_.session.Get(tx_, *pack.session) : nullptr;
      return session != nullptr && session->state == v1::SESSION_STATE_OPEN;
    });
  }

  absl::StatusOr<std::vector<storage::PackRecord>> List(storage::PackState state) override {
    MOORING_STATEMENT(tx_);
    std::vector<storage::PackRecord> packs;
    t_.pack.ForEach(tx_, [&](std::int64_t, const storage::PackRecord& pack) {
      if (pack.state == state) packs.push_back(pack);
      return true;
    });
    return packs;
  }

  absl::StatusOr<storage::StoreTotals> Totals() override {
    MOORING_STATEMENT(tx_);
    storage::StoreTotals totals;
    t_.pack.ForEach(tx_, [&](std::int64_t, const storage::PackRecord& pack) {
      if (pack.state != storage::PackState::kLive) return true;
      ++totals.packs;
      totals.bytes += pack.bytes;
      return true;
    });
    return totals;
  }

 private:
  template <typename Counts>
  bool IsReferenced(std::int64_t no, Counts counts) {
    bool found = false;
    t_.chunk.ForEach(tx_, [&](std::uint64_t, const IndexedChunk& chunk) {
      found = chunk.pack_no == no && counts(chunk);
      return !found;
    });
    return found;
  }

  absl::StatusOr<const storage::PackRecord*> LockRow(const PackId& id) {
    const std::int64_t* const no = t_.pack_id.Get(tx_, id);
    if (no == nullptr) return nullptr;
    return t_.pack.Lock(tx_, *no, storage::RowLock::kExclusive);
  }

  // By value: the row goes away.
  absl::Status EraseRow(std::int64_t no, PackId id) {
    if (IsReferenced(no, [](const IndexedChunk&) { return true; })) {
      return tx_.Fail(Violates("chunks refer to the pack"));
    }
    MOORING_RETURN_IF_ERROR(t_.pack_id.Erase(tx_, id).status());
    return t_.pack.Erase(tx_, no).status();
  }

  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace mooring::testing
