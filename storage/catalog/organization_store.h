// The organization (one per deployment) and its repository.
//
// Stores in this folder are thread-bound to their Transaction. Times are kept to
// the microsecond. Every call may also fail as Catalog::Run says.

#pragma once

#include <optional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"

namespace mooring::storage {

struct OrganizationRecord {
  std::string name;
  bool single_admin = false;
  absl::Time created_at;
};

// What ties the catalog to one object store.
struct RepositoryRecord {
  Bytes id;  // 16 bytes; also in the store's object "repository".
  absl::Time created_at;
};

class OrganizationStore {
 public:
  virtual ~OrganizationStore() = default;

  // kAlreadyExists: there is one.
  virtual absl::Status Create(const OrganizationRecord& record) = 0;
  virtual absl::StatusOr<std::optional<OrganizationRecord>> Get() = 0;

  // kAlreadyExists: there is one.
  virtual absl::Status CreateRepository(const RepositoryRecord& record) = 0;
  virtual absl::StatusOr<std::optional<RepositoryRecord>> GetRepository() = 0;
};

}  // namespace mooring::storage
