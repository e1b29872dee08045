#include "server/config/admin_token.h"

#include <algorithm>
#include <array>

#include "server/auth/authenticator.h"
#include "server/config/init.h"
#include "storage/base/status.h"
#include "storage/catalog/account_store.h"
#include "storage/seal/digest.h"

namespace mooring::server {

absl::Status WriteAdminToken(const OpContext& ctx, storage::Catalog& catalog, FileSystem& files,
                             Clock& clock, Random& random, const std::string& path) {
  std::array<std::byte, 32> bytes;
  random.Fill(bytes);
  const std::string token = std::string(kApiTokenPrefix) + ToBase64Url(bytes);
  const auto hash = storage::Sha256(AsBytes(token));
  const absl::Status made = catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    const absl::Time now = clock.Now();
    MOORING_ASSIGN_OR_RETURN(const auto accounts, tx.accounts().List());
    const bool is_there = std::any_of(accounts.begin(), accounts.end(), [](const auto& account) {
      return account.name == kAdminAccount;
    });
    if (!is_there) MOORING_RETURN_IF_ERROR(tx.accounts().Create({kAdminAccount, now}));
    storage::ApiTokenRecord record;
    record.token_hash.assign(hash.begin(), hash.end());
    record.account = kAdminAccount;
    record.permissions = {v1::PERMISSION_VIEW, v1::PERMISSION_OPERATE, v1::PERMISSION_POLICY,
                          v1::PERMISSION_APPROVE, v1::PERMISSION_GRANT};
    record.created_at = now;
    record.expires_at = now + kAdminTokenLifetime;
    MOORING_RETURN_IF_ERROR(tx.accounts().AddToken(record));
    return tx.Audit(
        {.at = now, .actor = "server", .action = "api_token.create", .subject = kAdminAccount});
  });
  MOORING_RETURN_IF_ERROR(made);
  // A token whose file was never written is known to nobody.
  return WriteFileDurably(files, path, AsBytes(token + "\n"), 0600);
}

}  // namespace mooring::server
