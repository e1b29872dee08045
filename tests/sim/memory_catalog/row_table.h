// RowTable: the rows of one table, or the keys of one unique index, with what
// PostgreSQL gives under READ COMMITTED: each transaction sees what is
// committed and its own changes, a changed row is locked until its transaction
// ends, and who wants it waits.
//
// A row has at most two versions: the committed one and that of the one
// transaction that holds it. Commit swaps a pointer per changed row, so nothing
// is ever copied but the rows that change.
//
// Guarded by the catalog's mutex: every member runs within a statement
// (memory_tx.h).

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/catalog/row_lock.h"
#include "tests/sim/memory_catalog/memory_tx.h"

namespace mooring::testing {

// One table of a catalog, whatever its rows: to save and restore all of them.
class AnyTable {
 public:
  virtual ~AnyTable() = default;
  // The committed rows, as something that Restore takes.
  virtual std::shared_ptr<const void> Save() const = 0;
  // No transaction may be open.
  virtual void Restore(const std::shared_ptr<const void>& saved) = 0;
};

template <typename K, typename R>
class RowTable final : public AnyTable {
 public:
  using Row = std::shared_ptr<const R>;

  // The row as `tx` sees it, or null. Valid until the statement ends.
  const R* Get(const MemoryTx& tx, const K& key) const {
    const auto found = slots_.find(key);
    return found == slots_.end() ? nullptr : found->second.SeenBy(tx).get();
  }

  // Holds the row until the transaction ends, waiting for others. Null: there
  // is no such row (any more), and nothing is held.
  absl::StatusOr<const R*> Lock(MemoryTx& tx, const K& key, storage::RowLock lock) {
    if (lock == storage::RowLock::kNone) return Get(tx, key);
    while (true) {
      const auto found = slots_.find(key);
      if (found == slots_.end()) return nullptr;
      Slot& slot = found->second;
      const bool exclusive = lock == storage::RowLock::kExclusive;
      const std::vector<TxId> blockers = slot.Blockers(tx.id(), exclusive);
      if (blockers.empty()) {
        const R* const row = slot.SeenBy(tx).get();
        if (row != nullptr) slot.Take(tx, exclusive);
        return row;
      }
      MOORING_RETURN_IF_ERROR(tx.WaitFor(blockers));
    }
  }

  // False: there is one with this key. Waits for a transaction that is making
  // or removing it.
  absl::StatusOr<bool> Insert(MemoryTx& tx, const K& key, R row) {
    while (true) {
      auto [at, is_new] = slots_.try_emplace(key);
      Slot& slot = at->second;
      if (is_new) slot.Attach(*this, at);
      const std::vector<TxId> blockers = slot.Writers(tx.id());
      if (blockers.empty()) {
        if (slot.SeenBy(tx) != nullptr) return false;
        slot.Take(tx, true);
        slot.Set(std::make_shared<const R>(std::move(row)));
        return true;
      }
      MOORING_RETURN_IF_ERROR(tx.WaitFor(blockers));
    }
  }

  // Waits until no other transaction is making or removing the row of `key`,
  // and says whether there is one: the look of an INSERT before it writes.
  absl::StatusOr<bool> IsTaken(MemoryTx& tx, const K& key) {
    while (true) {
      const auto found = slots_.find(key);
      if (found == slots_.end()) return false;
      const std::vector<TxId> blockers = found->second.Writers(tx.id());
      if (blockers.empty()) return found->second.SeenBy(tx) != nullptr;
      MOORING_RETURN_IF_ERROR(tx.WaitFor(blockers));
    }
  }

  // Whether another transaction holds the row: for SKIP LOCKED.
  bool IsLocked(const MemoryTx& tx, const K& key) const {
    const auto found = slots_.find(key);
    return found != slots_.end() && !found->second.Blockers(tx.id(), true).empty();
  }

  // Changes a row that `tx` holds exclusively.
  template <typename Change>
  void Update(MemoryTx& tx, const K& key, Change change) {
    Slot& slot = slots_.at(key);
    MOORING_CHECK(slot.exclusive == tx.id());
    R row = *slot.SeenBy(tx);
    change(row);
    slot.Set(std::make_shared<const R>(std::move(row)));
  }

  // Locks the row and changes it. False: there is no such row.
  template <typename Change>
  absl::StatusOr<bool> LockAndUpdate(MemoryTx& tx, const K& key, Change change) {
    MOORING_ASSIGN_OR_RETURN(const R* const row, Lock(tx, key, storage::RowLock::kExclusive));
    if (row == nullptr) return false;
    Update(tx, key, change);
    return true;
  }

  // Locks the row and removes it. False: there is no such row.
  absl::StatusOr<bool> Erase(MemoryTx& tx, const K& key) {
    MOORING_ASSIGN_OR_RETURN(const R* const row, Lock(tx, key, storage::RowLock::kExclusive));
    if (row == nullptr) return false;
    slots_.at(key).Set(nullptr);
    return true;
  }

  // Visits what `tx` sees, in the order of the keys. `visit(key, row)` returns
  // false to stop, and does not change the table.
  template <typename Visit>
  void ForEach(const MemoryTx& tx, Visit visit) const {
    ForEachFrom(tx, slots_.begin(), visit);
  }
  template <typename Visit>
  void ForEachFrom(const MemoryTx& tx, const K& first, Visit visit) const {
    ForEachFrom(tx, slots_.lower_bound(first), visit);
  }

  // What is committed, whoever is at work: for checkers between statements.
  template <typename Visit>
  void ForEachCommitted(Visit visit) const {
    for (const auto& [key, slot] : slots_) {
      if (slot.committed != nullptr) visit(key, *slot.committed);
    }
  }
  const R* Committed(const K& key) const {
    const auto found = slots_.find(key);
    return found == slots_.end() ? nullptr : found->second.committed.get();
  }

  // A row that the schema itself inserts. No transaction may be open.
  void Seed(const K& key, R row) {
    const auto at = slots_.try_emplace(key).first;
    at->second.Attach(*this, at);
    at->second.committed = std::make_shared<const R>(std::move(row));
  }

  std::shared_ptr<const void> Save() const override {
    auto saved = std::make_shared<std::map<K, Row>>();
    for (const auto& [key, slot] : slots_) {
      if (slot.committed != nullptr) saved->emplace_hint(saved->end(), key, slot.committed);
    }
    return saved;
  }
  void Restore(const std::shared_ptr<const void>& saved) override {
    slots_.clear();
    for (const auto& [key, row] : *std::static_pointer_cast<const std::map<K, Row>>(saved)) {
      const auto at = slots_.try_emplace(slots_.end(), key);
      at->second.Attach(*this, at);
      at->second.committed = row;
    }
  }

 private:
  struct Slot;
  using Slots = std::map<K, Slot>;

  struct Slot final : HeldRow {
    void Attach(RowTable& table, typename Slots::iterator self) {
      table_ = &table;
      self_ = self;
    }
    const Row& SeenBy(const MemoryTx& tx) const {
      return has_pending && exclusive == tx.id() ? pending : committed;
    }
    void Set(Row row) {
      pending = std::move(row);
      has_pending = true;
    }
    // Of transactions that have changed it.
    std::vector<TxId> Writers(TxId me) const {
      if (has_pending && exclusive != me) return {exclusive};
      return {};
    }
    void End(TxId tx, bool commit) override {
      if (exclusive == tx) {
        if (has_pending && commit) committed = std::move(pending);
        pending.reset();
        has_pending = false;
      }
      Release(tx);
      if (committed == nullptr && IsFree()) table_->slots_.erase(self_);  // Destroys this.
    }

    Row committed;
    Row pending;
    bool has_pending = false;

   private:
    RowTable* table_ = nullptr;
    typename Slots::iterator self_;
  };

  template <typename Visit>
  void ForEachFrom(const MemoryTx& tx, typename Slots::const_iterator at, Visit visit) const {
    for (; at != slots_.end(); ++at) {
      const Row& row = at->second.SeenBy(tx);
      if (row != nullptr && !visit(at->first, *row)) return;
    }
  }

  Slots slots_;
};

}  // namespace mooring::testing
