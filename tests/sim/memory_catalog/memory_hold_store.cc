#include <algorithm>
#include <set>
#include <tuple>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {
namespace {

using storage::HoldId;
using storage::HoldRecord;
using storage::HoldView;
using storage::PinRecord;
using storage::RowLock;

bool IsCovered(const SnapshotRow& row, const HoldRecord& hold) {
  return (hold.device && row.record.device == *hold.device) ||
         (hold.person && row.record.person == *hold.person);
}

bool IsKept(const SnapshotRow& row) {
  return !row.record.deleted_at && !row.record.deletion_decided_at;
}

class MemoryHoldStore final : public storage::HoldStore {
 public:
  MemoryHoldStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::StatusOr<std::uint64_t> Place(const HoldRecord& record) override;
  absl::StatusOr<std::optional<HoldView>> Get(const HoldId& id) override;
  absl::StatusOr<std::vector<HoldView>> List(bool with_released) override;
  absl::StatusOr<std::vector<HoldView>> ListForDevice(const DeviceId& device) override;
  absl::StatusOr<std::vector<HoldView>> ListForSnapshot(const SnapshotId& snapshot) override;
  absl::Status Release(const HoldId& id, const std::string& released_by, absl::Time at) override;
  absl::Status Pin(const PinRecord& record) override;
  absl::StatusOr<bool> Unpin(const SnapshotId& snapshot) override;
  absl::StatusOr<std::optional<PinRecord>> GetPin(const SnapshotId& snapshot) override;
  absl::StatusOr<std::vector<PinRecord>> ListPins(const DeviceId& device) override;
  absl::Status MarkDecided(const SnapshotId& snapshot, absl::Time at) override;
  absl::StatusOr<std::vector<SnapshotId>> ListDecided(int limit) override;

 private:
  // Each is a statement of its own, as in PostgreSQL's store.
  absl::Status LockSubject(const HoldRecord& record);
  absl::StatusOr<std::uint64_t> LockCovered(const HoldRecord& record);
  absl::Status LockPinned(const SnapshotId& snapshot);

  HoldView ViewOf(const HoldRecord& hold) const;
  template <typename Wanted>
  std::vector<HoldView> Views(Wanted wanted) const;

  MemoryTx& tx_;
  Tables& t_;
};

absl::Status MemoryHoldStore::LockSubject(const HoldRecord& record) {
  MOORING_STATEMENT(tx_);
  if (record.device) {
    MOORING_ASSIGN_OR_RETURN(const storage::DeviceRecord* const device,
                             t_.device.Lock(tx_, *record.device, RowLock::kShared));
    return device != nullptr ? absl::OkStatus() : absl::NotFoundError("no such device");
  }
  if (!record.person) return absl::InvalidArgumentError("a hold is of a device or of a person");
  MOORING_ASSIGN_OR_RETURN(const storage::PersonRecord* const person,
                           t_.person.Lock(tx_, *record.person, RowLock::kShared));
  return person != nullptr ? absl::OkStatus() : absl::NotFoundError("no such person");
}

absl::StatusOr<std::uint64_t> MemoryHoldStore::LockCovered(const HoldRecord& record) {
  MOORING_STATEMENT(tx_);
  const auto is_covered = [&](const SnapshotRow& row) {
    return IsKept(row) && IsCovered(row, record);
  };
  std::uint64_t count = 0;
  for (const SnapshotId& id : KeysOf(tx_, t_.snapshot, is_covered)) {
    MOORING_ASSIGN_OR_RETURN(const SnapshotRow* const row,
                             t_.snapshot.Lock(tx_, id, RowLock::kShared));
    if (row != nullptr && is_covered(*row)) ++count;
  }
  return count;
}

absl::StatusOr<std::uint64_t> MemoryHoldStore::Place(const HoldRecord& record) {
  MOORING_RETURN_IF_ERROR(LockSubject(record));
  MOORING_ASSIGN_OR_RETURN(const std::uint64_t covered, LockCovered(record));
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(tx_.CheckTexts({record.reason, record.placed_by}));
  if (record.device.has_value() == record.person.has_value()) {
    return tx_.Fail(Violates("a hold is of a device or of a person"));
  }
  HoldRecord row = record;
  row.released_by.clear();
  row.released_at.reset();
  MOORING_ASSIGN_OR_RETURN(const bool is_new, t_.hold.Insert(tx_, record.id, row));
  if (!is_new) return tx_.Fail(Duplicate("hold"));
  return covered;
}

HoldView MemoryHoldStore::ViewOf(const HoldRecord& hold) const {
  HoldView view;
  view.hold = hold;
  if (hold.device) view.serial = t_.device.Get(tx_, *hold.device)->serial;
  if (hold.person) view.person_handle = t_.person.Get(tx_, *hold.person)->handle;
  view.snapshot_count = CountOf(tx_, t_.snapshot, [&](const SnapshotRow& row) {
    return IsKept(row) && IsCovered(row, hold);
  });
  return view;
}

template <typename Wanted>
std::vector<HoldView> MemoryHoldStore::Views(Wanted wanted) const {
  std::vector<HoldView> views;
  t_.hold.ForEach(tx_, [&](const HoldId&, const HoldRecord& hold) {
    if (wanted(hold)) views.push_back(ViewOf(hold));
    return true;
  });
  std::sort(views.begin(), views.end(), [](const HoldView& a, const HoldView& b) {
    return std::tie(b.hold.placed_at, a.hold.id) < std::tie(a.hold.placed_at, b.hold.id);
  });
  return views;
}

absl::StatusOr<std::optional<HoldView>> MemoryHoldStore::Get(const HoldId& id) {
  MOORING_STATEMENT(tx_);
  const HoldRecord* const hold = t_.hold.Get(tx_, id);
  if (hold == nullptr) return std::optional<HoldView>();
  return std::optional<HoldView>(ViewOf(*hold));
}

absl::StatusOr<std::vector<HoldView>> MemoryHoldStore::List(bool with_released) {
  MOORING_STATEMENT(tx_);
  return Views([&](const HoldRecord& hold) { return with_released || !hold.released_at; });
}

absl::StatusOr<std::vector<HoldView>> MemoryHoldStore::ListForDevice(const DeviceId& device) {
  MOORING_STATEMENT(tx_);
  std::set<PersonId> people;
  t_.snapshot.ForEach(tx_, [&](const SnapshotId&, const SnapshotRow& row) {
    if (row.record.device == device && !row.record.deleted_at) people.insert(row.record.person);
    return true;
  });
  return Views([&](const HoldRecord& hold) {
    return !hold.released_at &&
           (hold.device == device || (hold.person && people.count(*hold.person) > 0));
  });
}

absl::StatusOr<std::vector<HoldView>> MemoryHoldStore::ListForSnapshot(const SnapshotId& snapshot) {
  MOORING_STATEMENT(tx_);
  const SnapshotRow* const row = t_.snapshot.Get(tx_, snapshot);
  return Views([&](const HoldRecord& hold) {
    return !hold.released_at && row != nullptr && IsCovered(*row, hold);
  });
}

absl::Status MemoryHoldStore::Release(const HoldId& id, const std::string& released_by,
                                      absl::Time at) {
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(tx_.CheckTexts({released_by}));
  MOORING_ASSIGN_OR_RETURN(const HoldRecord* const hold,
                           t_.hold.Lock(tx_, id, RowLock::kExclusive));
  if (hold == nullptr) return absl::NotFoundError("no such hold");
  if (hold->released_at) return absl::FailedPreconditionError("the hold was released before");
  t_.hold.Update(tx_, id, [&](HoldRecord& row) {
    row.released_by = released_by;
    row.released_at = at;
  });
  return absl::OkStatus();
}

absl::Status MemoryHoldStore::LockPinned(const SnapshotId& snapshot) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const SnapshotRow* const row,
                           t_.snapshot.Lock(tx_, snapshot, RowLock::kShared));
  if (row == nullptr || row->record.deleted_at) return absl::NotFoundError("no such snapshot");
  if (row->record.deletion_decided_at) {
    return absl::FailedPreconditionError("the snapshot is being deleted");
  }
  return absl::OkStatus();
}

absl::Status MemoryHoldStore::Pin(const PinRecord& record) {
  MOORING_RETURN_IF_ERROR(LockPinned(record.snapshot));
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(tx_.CheckTexts({record.pinned_by, record.reason}));
  MOORING_ASSIGN_OR_RETURN(const bool is_new, t_.snapshot_pin.Insert(tx_, record.snapshot, record));
  if (is_new) return absl::OkStatus();
  return t_.snapshot_pin.LockAndUpdate(tx_, record.snapshot, [&](PinRecord& row) { row = record; })
      .status();
}

absl::StatusOr<bool> MemoryHoldStore::Unpin(const SnapshotId& snapshot) {
  MOORING_STATEMENT(tx_);
  return t_.snapshot_pin.Erase(tx_, snapshot);
}

absl::StatusOr<std::optional<PinRecord>> MemoryHoldStore::GetPin(const SnapshotId& snapshot) {
  MOORING_STATEMENT(tx_);
  return Copy(t_.snapshot_pin.Get(tx_, snapshot));
}

absl::StatusOr<std::vector<PinRecord>> MemoryHoldStore::ListPins(const DeviceId& device) {
  MOORING_STATEMENT(tx_);
  std::vector<PinRecord> pins = Rows(tx_, t_.snapshot_pin, [&](const PinRecord& pin) {
    const SnapshotRow* const row = t_.snapshot.Get(tx_, pin.snapshot);
    return row->record.device == device && !row->record.deleted_at;
  });
  std::sort(pins.begin(), pins.end(), [](const PinRecord& a, const PinRecord& b) {
    return std::tie(a.pinned_at, a.snapshot) < std::tie(b.pinned_at, b.snapshot);
  });
  return pins;
}

absl::Status MemoryHoldStore::MarkDecided(const SnapshotId& snapshot, absl::Time at) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const bool done,
                           t_.snapshot.LockAndUpdate(tx_, snapshot, [at](SnapshotRow& row) {
                             if (!row.record.deletion_decided_at) {
                               row.record.deletion_decided_at = at;
                             }
                           }));
  return done ? absl::OkStatus() : absl::NotFoundError("no such snapshot");
}

absl::StatusOr<std::vector<SnapshotId>> MemoryHoldStore::ListDecided(int limit) {
  MOORING_STATEMENT(tx_);
  std::vector<SnapshotId> ids = KeysOf(tx_, t_.snapshot, [](const SnapshotRow& row) {
    return row.record.deletion_decided_at && !row.record.deleted_at;
  });
  ids.resize(std::min(ids.size(), static_cast<std::size_t>(std::max(limit, 0))));
  return ids;
}

}  // namespace

std::unique_ptr<storage::HoldStore> MakeMemoryHoldStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryHoldStore>(tx, t);
}

}  // namespace mooring::testing
