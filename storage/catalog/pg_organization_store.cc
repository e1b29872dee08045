#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

class PgOrganizationStore final : public OrganizationStore {
 public:
  explicit PgOrganizationStore(SqlSession& sql) : sql_(sql) {}

  absl::Status Create(const OrganizationRecord& record) override {
    return Touched(sql_.Exec("INSERT INTO organization (name, single_admin, created_at)"
                             " VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                             record.name, record.single_admin, record.created_at),
                   absl::AlreadyExistsError("the organization exists"));
  }

  absl::StatusOr<std::optional<OrganizationRecord>> Get() override {
    return ReadOptional<OrganizationRecord>(
        sql_.Exec("SELECT name, single_admin, created_at FROM organization"), [](SqlReader& row) {
          OrganizationRecord record;
          record.name = row.Text();
          record.single_admin = row.Bool();
          record.created_at = row.Time();
          return record;
        });
  }

  absl::Status CreateRepository(const RepositoryRecord& record) override {
    return Touched(
        sql_.Exec("INSERT INTO repository (id, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                  record.id, record.created_at),
        absl::AlreadyExistsError("the catalog has a repository"));
  }

  absl::StatusOr<std::optional<RepositoryRecord>> GetRepository() override {
    return ReadOptional<RepositoryRecord>(sql_.Exec("SELECT id, created_at FROM repository"),
                                          [](SqlReader& row) {
                                            RepositoryRecord record;
                                            record.id = row.Blob();
                                            record.created_at = row.Time();
                                            return record;
                                          });
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<OrganizationStore> MakePgOrganizationStore(SqlSession& sql) {
  return std::make_unique<PgOrganizationStore>(sql);
}

}  // namespace mooring::storage
