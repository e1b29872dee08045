// Holds and pins: what forbids the deletion of snapshots.
//
// A deletion is decided in one transaction that holds the snapshot's row
// exclusively (storage/repository/deletion.h). Placing a hold or a pin takes the rows of the
// snapshots that it covers, so of a deletion and a hold at the same instant one is
// first: either the hold finds the deletion decided and does not count the snapshot,
// or the deletion finds the hold and is refused. Never both.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/ids.h"

namespace mooring::storage {

using HoldId = Id<struct HoldIdTag, 16>;

struct HoldRecord {
  HoldId id;
  std::optional<DeviceId> device;  // One of the two.
  std::optional<PersonId> person;
  std::string reason;
  std::string placed_by;
  absl::Time placed_at;
  std::string released_by;  // Empty while it stands.
  std::optional<absl::Time> released_at;
};

// A hold with what is joined to it.
struct HoldView {
  HoldRecord hold;
  std::string serial;                // Of a device.
  std::string person_handle;         // Of a person.
  std::uint64_t snapshot_count = 0;  // Not deleted, and not about to be.
};

struct PinRecord {
  SnapshotId snapshot;
  std::string pinned_by;
  absl::Time pinned_at;
  std::optional<absl::Time> until;
  std::string reason;
};

class HoldStore {
 public:
  virtual ~HoldStore() = default;

  // Places it, and locks what it covers to the end of the transaction. Returns how
  // many snapshots it keeps. kNotFound: no such device or person.
  virtual absl::StatusOr<std::uint64_t> Place(const HoldRecord& record) = 0;
  virtual absl::StatusOr<std::optional<HoldView>> Get(const HoldId& id) = 0;
  // Newest first.
  virtual absl::StatusOr<std::vector<HoldView>> List(bool with_released) = 0;
  // Those that stand and cover any snapshot of the device: its own, and those of
  // the people that its snapshots are of.
  virtual absl::StatusOr<std::vector<HoldView>> ListForDevice(const DeviceId& device) = 0;
  // Those that stand and cover this snapshot.
  virtual absl::StatusOr<std::vector<HoldView>> ListForSnapshot(const SnapshotId& snapshot) = 0;
  // kNotFound: no such hold. kFailedPrecondition: it was released before.
  virtual absl::Status Release(const HoldId& id, const std::string& released_by, absl::Time at) = 0;

  // Pins it, in the place of an earlier pin. kNotFound: no such snapshot, or it is
  // deleted. kFailedPrecondition: its deletion is decided.
  virtual absl::Status Pin(const PinRecord& record) = 0;
  // True if there was one.
  virtual absl::StatusOr<bool> Unpin(const SnapshotId& snapshot) = 0;
  virtual absl::StatusOr<std::optional<PinRecord>> GetPin(const SnapshotId& snapshot) = 0;
  // Of the device's snapshots that are not deleted, those whose time is over too.
  virtual absl::StatusOr<std::vector<PinRecord>> ListPins(const DeviceId& device) = 0;

  // The deletion is decided: for storage/repository/deletion.h, which has looked. The
  // first time stands. kNotFound: no such snapshot.
  virtual absl::Status MarkDecided(const SnapshotId& snapshot, absl::Time at) = 0;
  // Decided and not done: at most `limit`.
  virtual absl::StatusOr<std::vector<SnapshotId>> ListDecided(int limit) = 0;
};

}  // namespace mooring::storage
