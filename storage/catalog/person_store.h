// People: the employees whose phones are backed up.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/ids.h"

namespace mooring::storage {

struct PersonRecord {
  PersonId id;
  std::string handle;  // Unique: a login or an employee number.
  std::string name;
  std::string email;
  std::string group;  // Policy group.
  absl::Time created_at;
};

struct PersonView {
  PersonRecord person;
  std::uint32_t device_count = 0;
};

class PersonStore {
 public:
  virtual ~PersonStore() = default;

  // kAlreadyExists: the handle is taken.
  virtual absl::Status Create(const PersonRecord& record) = 0;
  virtual absl::StatusOr<std::optional<PersonRecord>> Get(const PersonId& id) = 0;
  virtual absl::StatusOr<std::optional<PersonRecord>> FindByHandle(std::string_view handle) = 0;
  // By handle.
  virtual absl::StatusOr<std::vector<PersonView>> List() = 0;
  virtual absl::StatusOr<std::uint64_t> Count() = 0;
};

}  // namespace mooring::storage
