#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

constexpr char kSelect[] = "SELECT id, handle, name, email, policy_group, created_at FROM person ";

PersonRecord Read(SqlReader& row) {
  PersonRecord record;
  record.id = row.IdOf<PersonId>();
  record.handle = row.Text();
  record.name = row.Text();
  record.email = row.Text();
  record.group = row.Text();
  record.created_at = row.Time();
  return record;
}

class PgPersonStore final : public PersonStore {
 public:
  explicit PgPersonStore(SqlSession& sql) : sql_(sql) {}

  absl::Status Create(const PersonRecord& record) override {
    return Touched(
        sql_.Exec("INSERT INTO person (id, handle, name, email, policy_group, created_at)"
                  " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                  record.id, record.handle, record.name, record.email, record.group,
                  record.created_at),
        absl::AlreadyExistsError("a person with this handle exists"));
  }

  absl::StatusOr<std::optional<PersonRecord>> Get(const PersonId& id) override {
    return ReadOptional<PersonRecord>(sql_.Exec(std::string(kSelect) + "WHERE id = $1", id), Read);
  }

  absl::StatusOr<std::optional<PersonRecord>> FindByHandle(std::string_view handle) override {
    return ReadOptional<PersonRecord>(sql_.Exec(std::string(kSelect) + "WHERE handle = $1", handle),
                                      Read);
  }

  absl::StatusOr<std::vector<PersonView>> List() override {
    return ReadRows<PersonView>(
        sql_.Exec("SELECT p.id, p.handle, p.name, p.email, p.policy_group, p.created_at,"
                  " count(d.id) FROM person p LEFT JOIN device d ON d.person_id = p.id"
                  " GROUP BY p.id ORDER BY p.handle"),
        [](SqlReader& row) {
          PersonView view;
          view.person = Read(row);
          view.device_count = row.Uint32();
          return view;
        });
  }

  absl::StatusOr<std::uint64_t> Count() override {
    return ReadCount(sql_.Exec("SELECT count(*) FROM person"));
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<PersonStore> MakePgPersonStore(SqlSession& sql) {
  return std::make_unique<PgPersonStore>(sql);
}

}  // namespace mooring::storage
