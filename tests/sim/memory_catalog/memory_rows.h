// Rows of a memory catalog as what its stores return.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <fmt/format.h>

#include "storage/base/bytes.h"
#include "tests/sim/memory_catalog/memory_tx.h"
#include "tests/sim/memory_catalog/row_table.h"

namespace mooring::testing {

template <typename R>
std::optional<R> Copy(const R* row) {
  return row == nullptr ? std::nullopt : std::optional<R>(*row);
}

// The rows that `wanted` wants, by key.
template <typename K, typename R, typename Wanted>
std::vector<R> Rows(const MemoryTx& tx, const RowTable<K, R>& table, Wanted wanted) {
  std::vector<R> rows;
  table.ForEach(tx, [&](const K&, const R& row) {
    if (wanted(row)) rows.push_back(row);
    return true;
  });
  return rows;
}

// Their keys, for a statement that goes on to change them.
template <typename K, typename R, typename Wanted>
std::vector<K> KeysOf(const MemoryTx& tx, const RowTable<K, R>& table, Wanted wanted) {
  std::vector<K> keys;
  table.ForEach(tx, [&](const K& key, const R& row) {
    if (wanted(row)) keys.push_back(key);
    return true;
  });
  return keys;
}

template <typename K, typename R, typename Wanted>
std::uint64_t CountOf(const MemoryTx& tx, const RowTable<K, R>& table, Wanted wanted) {
  std::uint64_t count = 0;
  table.ForEach(tx, [&](const K&, const R& row) {
    if (wanted(row)) ++count;
    return true;
  });
  return count;
}

inline Bytes Owned(ByteView bytes) {
  return {bytes.begin(), bytes.end()};
}

// A CHECK or FOREIGN KEY that a row breaks: SQLSTATE 23xxx, which ends the transaction.
inline absl::Status Violates(std::string_view rule) {
  return absl::FailedPreconditionError(fmt::format("database: {} (SQLSTATE 23)", rule));
}
// A unique key that an INSERT without ON CONFLICT meets: it ends the transaction.
inline absl::Status Duplicate(std::string_view key) {
  return absl::AlreadyExistsError(
      fmt::format("database: duplicate key of {} (SQLSTATE 23505)", key));
}

}  // namespace mooring::testing
