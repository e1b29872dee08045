#include <algorithm>
#include <map>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {
namespace {

using storage::PersonRecord;
using storage::PersonView;

class MemoryPersonStore final : public storage::PersonStore {
 public:
  MemoryPersonStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::Status Create(const PersonRecord& record) override {
    MOORING_STATEMENT(tx_);
    MOORING_RETURN_IF_ERROR(
        tx_.CheckTexts({record.handle, record.name, record.email, record.group}));
    if (record.handle.empty()) return tx_.Fail(Violates("a handle is not empty"));
    const absl::Status exists = absl::AlreadyExistsError("a person with this handle exists");
    MOORING_ASSIGN_OR_RETURN(const bool id_taken, t_.person.IsTaken(tx_, record.id));
    if (id_taken) return exists;
    MOORING_ASSIGN_OR_RETURN(const bool handle_free,
                             t_.person_handle.Insert(tx_, record.handle, record.id));
    if (!handle_free) return exists;
    return t_.person.Insert(tx_, record.id, record).status();
  }

  absl::StatusOr<std::optional<PersonRecord>> Get(const PersonId& id) override {
    MOORING_STATEMENT(tx_);
    return Copy(t_.person.Get(tx_, id));
  }

  absl::StatusOr<std::optional<PersonRecord>> FindByHandle(std::string_view handle) override {
    MOORING_STATEMENT(tx_);
    const PersonId* const id = t_.person_handle.Get(tx_, std::string(handle));
    return Copy(id == nullptr ? nullptr : t_.person.Get(tx_, *id));
  }

  absl::StatusOr<std::vector<PersonView>> List() override {
    MOORING_STATEMENT(tx_);
    std::map<PersonId, std::uint32_t> devices;
    t_.device.ForEach(tx_, [&](const DeviceId&, const storage::DeviceRecord& device) {
      if (device.person) ++devices[*device.person];
      return true;
    });
    std::vector<PersonView> views;
    t_.person_handle.ForEach(tx_, [&](const std::string&, const PersonId& id) {
      const PersonRecord* const person = t_.person.Get(tx_, id);
      if (person != nullptr) views.push_back({*person, devices[id]});
      return true;
    });
    return views;
  }

  absl::StatusOr<std::uint64_t> Count() override {
    MOORING_STATEMENT(tx_);
    return CountOf(tx_, t_.person, [](const PersonRecord&) { return true; });
  }

 private:
  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace

std::unique_ptr<storage::PersonStore> MakeMemoryPersonStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryPersonStore>(tx, t);
}

}  // namespace mooring::testing
