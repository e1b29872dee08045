// Exceptions of libpqxx and SQLSTATEs as Status: the one table.

#pragma once

#include <string_view>

#include <absl/status/status.h>

namespace mooring::storage {

struct SqlFailure {
  absl::Status status;
  bool connection_lost = false;
};

// The exception being handled; call from a catch block only. Decides by
// SQLSTATE where there is one. `committing`: it came out of COMMIT, where
// everything but a plain refusal leaves the outcome in doubt.
SqlFailure CurrentSqlFailure(bool committing);

// What a SQLSTATE asks the caller to do.
absl::Status StatusOfSqlState(std::string_view sqlstate, std::string_view message);

}  // namespace mooring::storage
