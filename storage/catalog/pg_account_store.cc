#include <fmt/format.h>

#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

constexpr char kTokenColumns[] =
    "token_hash, account, permissions, created_at, expires_at, revoked_at";

ApiTokenRecord ReadToken(SqlReader& row) {
  ApiTokenRecord record;
  record.token_hash = row.Blob();
  record.account = row.Text();
  for (const int permission : row.IntArray()) {
    record.permissions.push_back(static_cast<v1::Permission>(permission));
  }
  record.created_at = row.Time();
  record.expires_at = row.Time();
  record.revoked_at = row.OptionalTime();
  return record;
}

class PgAccountStore final : public AccountStore {
 public:
  explicit PgAccountStore(SqlSession& sql) : sql_(sql) {}

  absl::Status Create(const AccountRecord& record) override {
    return Touched(
        sql_.Exec("INSERT INTO account (name, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                  record.name, record.created_at),
        absl::AlreadyExistsError("the account exists"));
  }

  absl::StatusOr<std::vector<AccountRecord>> List() override {
    return ReadRows<AccountRecord>(sql_.Exec("SELECT name, created_at FROM account ORDER BY name"),
                                   [](SqlReader& row) {
                                     AccountRecord record;
                                     record.name = row.Text();
                                     record.created_at = row.Time();
                                     return record;
                                   });
  }

  absl::Status AddToken(const ApiTokenRecord& record) override {
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult account,
        sql_.Exec("SELECT 1 FROM account WHERE name = $1 FOR SHARE", record.account));
    if (account.empty()) return absl::NotFoundError("no such account");
    const std::vector<int> permissions(record.permissions.begin(), record.permissions.end());
    return Touched(sql_.Exec(fmt::format("INSERT INTO api_token ({}) VALUES"
                                         " ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                                         kTokenColumns),
                             record.token_hash, record.account, permissions, record.created_at,
                             record.expires_at, record.revoked_at),
                   absl::AlreadyExistsError("the token exists"));
  }

  absl::StatusOr<std::optional<ApiTokenRecord>> FindToken(ByteView token_hash) override {
    return ReadOptional<ApiTokenRecord>(
        sql_.Exec(fmt::format("SELECT {} FROM api_token WHERE token_hash = $1", kTokenColumns),
                  token_hash),
        ReadToken);
  }

  absl::StatusOr<std::vector<ApiTokenRecord>> ListTokens(std::string_view account) override {
    return ReadRows<ApiTokenRecord>(
        sql_.Exec(fmt::format("SELECT {} FROM api_token WHERE account = $1"
                              " ORDER BY created_at, token_hash",
                              kTokenColumns),
                  account),
        ReadToken);
  }

  absl::Status RevokeToken(ByteView token_hash, absl::Time at) override {
    return Touched(sql_.Exec("UPDATE api_token SET revoked_at = coalesce(revoked_at, $2)"
                             " WHERE token_hash = $1",
                             token_hash, at),
                   absl::NotFoundError("no such token"));
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<AccountStore> MakePgAccountStore(SqlSession& sql) {
  return std::make_unique<PgAccountStore>(sql);
}

}  // namespace mooring::storage
