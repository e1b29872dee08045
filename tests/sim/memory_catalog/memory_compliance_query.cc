#include <algorithm>
#include <set>
#include <tuple>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {
namespace {

using storage::ComplianceFact;

class MemoryComplianceQuery final : public storage::ComplianceQuery {
 public:
  MemoryComplianceQuery(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::StatusOr<std::vector<ComplianceFact>> Facts(std::string_view group) override {
    MOORING_STATEMENT(tx_);
    std::vector<ComplianceFact> facts;
    std::set<PersonId> with_device;
    t_.device.ForEach(tx_, [&](const DeviceId&, const storage::DeviceRecord& device) {
      facts.push_back(FactOf(device));
      if (device.person) with_device.insert(*device.person);
      return true;
    });
    t_.person.ForEach(tx_, [&](const PersonId& id, const storage::PersonRecord& person) {
      if (with_device.count(id) == 0) SetPerson(facts.emplace_back(), person);
      return true;
    });
    if (!group.empty()) {
      facts.erase(std::remove_if(facts.begin(), facts.end(),
                                 [&](const ComplianceFact& fact) { return fact.group != group; }),
                  facts.end());
    }
    std::sort(facts.begin(), facts.end(), [](const ComplianceFact& a, const ComplianceFact& b) {
      return std::tie(a.group, a.person_handle, a.serial) <
             std::tie(b.group, b.person_handle, b.serial);
    });
    return facts;
  }

 private:
  static void SetPerson(ComplianceFact& fact, const storage::PersonRecord& person) {
    fact.person = person.id;
    fact.person_handle = person.handle;
    fact.person_name = person.name;
    fact.group = person.group;
  }

  ComplianceFact FactOf(const storage::DeviceRecord& device) {
    ComplianceFact fact;
    fact.device = device.id;
    fact.serial = device.serial;
    fact.platform = device.platform;
    fact.device_name = device.name;
    fact.first_seen_at = device.first_seen_at;
    fact.last_miss_cause = device.last_cause;
    if (device.last_cause != v1::CAUSE_UNSPECIFIED) fact.last_miss_at = device.last_attempt_at;
    const storage::PersonRecord* const person =
        device.person ? t_.person.Get(tx_, *device.person) : nullptr;
    if (person != nullptr) SetPerson(fact, *person);
    t_.snapshot.ForEach(tx_, [&](const SnapshotId& id, const SnapshotRow& row) {
      const storage::SnapshotRecord& snapshot = row.record;
      if (snapshot.device == device.id && snapshot.lineage == device.lineage &&
          !snapshot.deleted_at &&
          (!fact.last_capture_at || *fact.last_capture_at < snapshot.captured_at)) {
        fact.last_snapshot = id;
        fact.last_capture_at = snapshot.captured_at;
      }
      return true;
    });
    return fact;
  }

  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace

std::unique_ptr<storage::ComplianceQuery> MakeMemoryComplianceQuery(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryComplianceQuery>(tx, t);
}

}  // namespace mooring::testing
