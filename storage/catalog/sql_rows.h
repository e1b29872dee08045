// Rows of a result as records. Inside storage/catalog only.

#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/status.h"
#include "storage/catalog/row_lock.h"
#include "storage/catalog/sql.h"

namespace mooring::storage {

// `read` makes one record of a SqlReader; its columns are checked afterwards.
template <typename Record, typename Read>
absl::StatusOr<std::vector<Record>> ReadRows(const absl::StatusOr<SqlResult>& result, Read read) {
  if (!result.ok()) return result.status();
  std::vector<Record> records;
  records.reserve(static_cast<std::size_t>(result->size()));
  for (int i = 0; i < result->size(); ++i) {
    SqlReader row(*result, i);
    records.push_back(read(row));
    MOORING_RETURN_IF_ERROR(row.status());
  }
  return records;
}

// The first row, if there is any.
template <typename Record, typename Read>
absl::StatusOr<std::optional<Record>> ReadOptional(const absl::StatusOr<SqlResult>& result,
                                                   Read read) {
  if (!result.ok()) return result.status();
  if (result->empty()) return std::optional<Record>();
  SqlReader row(*result, 0);
  std::optional<Record> record = read(row);
  MOORING_RETURN_IF_ERROR(row.status());
  return record;
}

// The one number of a SELECT count(*) and its like.
inline absl::StatusOr<std::uint64_t> ReadCount(const absl::StatusOr<SqlResult>& result) {
  if (!result.ok()) return result.status();
  SqlReader row(*result, 0);
  const std::uint64_t count = row.Uint64();
  MOORING_RETURN_IF_ERROR(row.status());
  return count;
}

// Those of `ids` that `select`, of which $1 is a bytea[], gives back by their
// place (from 1) in it.
template <typename IdType>
absl::StatusOr<std::vector<IdType>> SelectIds(SqlSession& sql, std::string_view select,
                                              std::span<const IdType> ids) {
  constexpr std::size_t kBatchMax = 4096;
  std::vector<IdType> selected;
  for (std::size_t first = 0; first < ids.size(); first += kBatchMax) {
    const auto part = ids.subspan(first, std::min(kBatchMax, ids.size() - first));
    std::vector<Bytes> batch;
    batch.reserve(part.size());
    for (const IdType& id : part) batch.emplace_back(id.view().begin(), id.view().end());
    const absl::StatusOr<SqlResult> result = sql.Exec(select, batch);
    if (!result.ok()) return result.status();
    for (int i = 0; i < result->size(); ++i) {
      SqlReader row(*result, i);
      const std::uint64_t place = row.Uint64();
      MOORING_RETURN_IF_ERROR(row.status());
      selected.push_back(part[place - 1]);
    }
  }
  return selected;
}

// OK if the statement touched a row, else `otherwise`.
inline absl::Status Touched(const absl::StatusOr<SqlResult>& result,
                            const absl::Status& otherwise) {
  if (!result.ok()) return result.status();
  return result->affected() > 0 ? absl::OkStatus() : otherwise;
}

// The clause that takes `lock` on the rows of `table` (an alias of the statement).
inline std::string LockClause(RowLock lock, std::string_view table) {
  switch (lock) {
    case RowLock::kNone:
      return "";
    case RowLock::kShared:
      return " FOR SHARE OF " + std::string(table);
    case RowLock::kExclusive:
      return " FOR UPDATE OF " + std::string(table);
  }
  return "";
}

}  // namespace mooring::storage
