// Devices in memory. Not final: planted bugs override what they break.

#pragma once

#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {

class MemoryDeviceStore : public storage::DeviceStore {
 public:
  MemoryDeviceStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::StatusOr<storage::DeviceRecord> Attach(const DeviceId& new_id, const v1::DeviceFacts& facts,
                                               const AgentId& agent, absl::Time now) override;
  absl::Status Detach(std::string_view serial, const AgentId& agent, absl::Time now) override;
  absl::Status DetachAll(const AgentId& agent) override;
  absl::StatusOr<std::optional<storage::DeviceRecord>> Get(const DeviceId& id,
                                                           storage::RowLock lock) override;
  absl::StatusOr<std::optional<storage::DeviceRecord>> FindBySerial(
      std::string_view serial) override;
  absl::StatusOr<std::optional<storage::DeviceView>> Find(std::string_view name) override;
  absl::StatusOr<std::vector<storage::DeviceView>> List(
      const std::optional<PersonId>& person) override;
  absl::StatusOr<std::uint64_t> Count() override;
  absl::StatusOr<storage::DeviceRecord> Assign(const DeviceId& id, const PersonId& person) override;
  absl::Status Unbind(const DeviceId& id) override;
  absl::Status Admit(const DeviceId& id, const AgentId& agent, const std::string& admitted_by,
                     absl::Time at) override;
  absl::Status Withdraw(const DeviceId& id, const AgentId& agent) override;
  absl::StatusOr<bool> IsAdmitted(const DeviceId& id, const AgentId& agent) override;
  absl::Status RecordMiss(const DeviceId& id, v1::Cause cause, const std::string& message,
                          absl::Time at) override;
  absl::Status RecordSuccess(const DeviceId& id, absl::Time at) override;
  absl::StatusOr<std::uint64_t> TakeSequence(const DeviceId& id) override;

 private:
  const storage::DeviceRecord* BySerial(std::string_view serial) {
    const DeviceId* const id = t_.device_serial.Get(tx_, std::string(serial));
    return id == nullptr ? nullptr : t_.device.Get(tx_, *id);
  }
  storage::DeviceView ViewOf(const storage::DeviceRecord& device);

  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace mooring::testing
