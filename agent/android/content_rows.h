// Rows of a content provider as `content query` prints them:
//
//   Row: 0 _id=7, date=1700000000000, address=+49 30 1, body=Hello
//
// Nothing is escaped: a message with a newline, ", body=" or "Row: 8 _id=9" in
// it forges fields and rows. So a page is believed only if it holds exactly the
// rows that were asked for, one row start for each and no more, and a row only
// if each column's name stands in it once. What does not pass is asked for
// again in smaller pieces, down to one column of one row, where nothing can be
// forged any more (content_reader.h).

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace mooring::agent {

// What `content` says of a failure, on either stream and with any exit status:
// kPermissionDenied, kUnimplemented (no such provider), kFailedPrecondition (no
// such column), kUnknown, or OK if it says nothing of one.
absl::Status ProviderFailure(std::string_view output, std::string_view errors);

// The ids of a query of `_id` alone, in the order printed. kDataLoss: something
// else stands there.
absl::StatusOr<std::vector<std::int64_t>> ParseIds(std::string_view output);

// One row's values, in the order of the columns; nullopt for NULL, which the
// tool prints like the text "NULL".
using ContentValues = std::vector<std::optional<std::string>>;

// The rows of a query of `columns`, the first being `_id`, for the rows `ids`
// in that order. kAborted: it cannot be told apart, ask in smaller pieces.
// Rows whose columns cannot be told apart are empty.
absl::StatusOr<std::vector<ContentValues>> ParseRows(std::string_view output,
                                                     const std::vector<std::string>& columns,
                                                     const std::vector<std::int64_t>& ids);

// The value of the query of `_id` and `column` for the one row `id`: all that
// was printed. kNotFound: the row is gone.
absl::StatusOr<std::optional<std::string>> ParseOneValue(std::string_view output,
                                                         std::string_view column, std::int64_t id);

}  // namespace mooring::agent
