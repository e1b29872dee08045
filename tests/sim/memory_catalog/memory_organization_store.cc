#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {
namespace {

class MemoryOrganizationStore final : public storage::OrganizationStore {
 public:
  MemoryOrganizationStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::Status Create(const storage::OrganizationRecord& record) override {
    MOORING_STATEMENT(tx_);
    MOORING_RETURN_IF_ERROR(tx_.CheckTexts({record.name}));
    MOORING_ASSIGN_OR_RETURN(const bool done, t_.organization.Insert(tx_, Tables::kOne, record));
    return done ? absl::OkStatus() : absl::AlreadyExistsError("the organization exists");
  }

  absl::StatusOr<std::optional<storage::OrganizationRecord>> Get() override {
    MOORING_STATEMENT(tx_);
    return Copy(t_.organization.Get(tx_, Tables::kOne));
  }

  absl::Status CreateRepository(const storage::RepositoryRecord& record) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(const bool done, t_.repository.Insert(tx_, Tables::kOne, record));
    return done ? absl::OkStatus() : absl::AlreadyExistsError("the catalog has a repository");
  }

  absl::StatusOr<std::optional<storage::RepositoryRecord>> GetRepository() override {
    MOORING_STATEMENT(tx_);
    return Copy(t_.repository.Get(tx_, Tables::kOne));
  }

 private:
  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace

std::unique_ptr<storage::OrganizationStore> MakeMemoryOrganizationStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryOrganizationStore>(tx, t);
}

}  // namespace mooring::testing
