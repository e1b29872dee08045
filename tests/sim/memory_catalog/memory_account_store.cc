#include <algorithm>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {
namespace {

using storage::AccountRecord;
using storage::ApiTokenRecord;

class MemoryAccountStore final : public storage::AccountStore {
 public:
  MemoryAccountStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::Status Create(const AccountRecord& record) override {
    MOORING_STATEMENT(tx_);
    MOORING_RETURN_IF_ERROR(tx_.CheckTexts({record.name}));
    MOORING_ASSIGN_OR_RETURN(const bool done, t_.account.Insert(tx_, record.name, record));
    return done ? absl::OkStatus() : absl::AlreadyExistsError("the account exists");
  }

  absl::StatusOr<std::vector<AccountRecord>> List() override {
    MOORING_STATEMENT(tx_);
    return Rows(tx_, t_.account, [](const AccountRecord&) { return true; });
  }

  absl::Status AddToken(const ApiTokenRecord& record) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(const AccountRecord* const account,
                             t_.account.Lock(tx_, record.account, storage::RowLock::kShared));
    if (account == nullptr) return absl::NotFoundError("no such account");
    MOORING_ASSIGN_OR_RETURN(const bool done, t_.api_token.Insert(tx_, record.token_hash, record));
    return done ? absl::OkStatus() : absl::AlreadyExistsError("the token exists");
  }

  absl::StatusOr<std::optional<ApiTokenRecord>> FindToken(ByteView token_hash) override {
    MOORING_STATEMENT(tx_);
    return Copy(t_.api_token.Get(tx_, Owned(token_hash)));
  }

  absl::StatusOr<std::vector<ApiTokenRecord>> ListTokens(std::string_view account) override {
    MOORING_STATEMENT(tx_);
    std::vector<ApiTokenRecord> tokens = Rows(
        tx_, t_.api_token, [&](const ApiTokenRecord& token) { return token.account == account; });
    std::stable_sort(tokens.begin(), tokens.end(),
                     [](const ApiTokenRecord& a, const ApiTokenRecord& b) {
                       return a.created_at < b.created_at;
                     });
    return tokens;
  }

  absl::Status RevokeToken(ByteView token_hash, absl::Time at) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(
        const bool done,
        t_.api_token.LockAndUpdate(tx_, Owned(token_hash), [at](ApiTokenRecord& token) {
          if (!token.revoked_at) token.revoked_at = at;
        }));
    return done ? absl::OkStatus() : absl::NotFoundError("no such token");
  }

 private:
  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace

std::unique_ptr<storage::AccountStore> MakeMemoryAccountStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryAccountStore>(tx, t);
}

}  // namespace mooring::testing
