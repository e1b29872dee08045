// Administrators' accounts, and the API tokens they call with.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/common.pb.h"
#include "storage/base/bytes.h"

namespace mooring::storage {

struct AccountRecord {
  std::string name;
  absl::Time created_at;
};

struct ApiTokenRecord {
  Bytes token_hash;  // SHA-256 of the token.
  std::string account;
  std::vector<v1::Permission> permissions;
  absl::Time created_at;
  absl::Time expires_at;
  std::optional<absl::Time> revoked_at;
};

class AccountStore {
 public:
  virtual ~AccountStore() = default;

  // kAlreadyExists: the name is taken.
  virtual absl::Status Create(const AccountRecord& record) = 0;
  virtual absl::StatusOr<std::vector<AccountRecord>> List() = 0;

  // kAlreadyExists: the hash is known. kNotFound: no such account.
  virtual absl::Status AddToken(const ApiTokenRecord& record) = 0;
  // Expired and revoked ones too: the caller judges by its clock.
  virtual absl::StatusOr<std::optional<ApiTokenRecord>> FindToken(ByteView token_hash) = 0;
  virtual absl::StatusOr<std::vector<ApiTokenRecord>> ListTokens(std::string_view account) = 0;
  // OK if it was revoked before; the first time stands. kNotFound: no such token.
  virtual absl::Status RevokeToken(ByteView token_hash, absl::Time at) = 0;
};

}  // namespace mooring::storage
