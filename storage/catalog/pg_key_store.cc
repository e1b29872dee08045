#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

KeySlot Read(SqlReader& row) {
  KeySlot slot;
  slot.purpose = row.Enum<KeyPurpose>();
  slot.subject = row.Blob();
  slot.wrapped = row.Blob();
  slot.created_at = row.Time();
  return slot;
}

class PgKeyStore final : public KeyStore {
 public:
  explicit PgKeyStore(SqlSession& sql) : sql_(sql) {}

  absl::Status Create(const KeySlot& slot) override {
    return Touched(sql_.Exec("INSERT INTO key_slot (purpose, subject, wrapped, created_at)"
                             " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                             slot.purpose, slot.subject, slot.wrapped, slot.created_at),
                   absl::AlreadyExistsError("the key slot is taken"));
  }

  absl::StatusOr<std::optional<KeySlot>> Get(KeyPurpose purpose, ByteView subject) override {
    return ReadOptional<KeySlot>(sql_.Exec("SELECT purpose, subject, wrapped, created_at"
                                           " FROM key_slot WHERE purpose = $1 AND subject = $2",
                                           purpose, subject),
                                 Read);
  }

  absl::StatusOr<std::vector<KeySlot>> List(KeyPurpose purpose) override {
    return ReadRows<KeySlot>(sql_.Exec("SELECT purpose, subject, wrapped, created_at"
                                       " FROM key_slot WHERE purpose = $1 ORDER BY subject",
                                       purpose),
                             Read);
  }

  absl::Status Delete(KeyPurpose purpose, ByteView subject) override {
    return sql_.Exec("DELETE FROM key_slot WHERE purpose = $1 AND subject = $2", purpose, subject)
        .status();
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<KeyStore> MakePgKeyStore(SqlSession& sql) {
  return std::make_unique<PgKeyStore>(sql);
}

}  // namespace mooring::storage
