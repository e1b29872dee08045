// ContentReader: the rows of a content provider, read so that no row can forge
// another (content_rows.h): ids first, then pages by id, halved until they are
// clear, at last column by column.

#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/android/content_rows.h"
#include "agent/android/phone_line.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

struct ContentTable {
  std::string uri;
  // Columns that hold numbers, `_id` first: nothing can be forged in them.
  std::vector<std::string> numbers;
  std::vector<std::string> texts;
  // The one of `texts` of which "NULL" is told from NULL; may be empty.
  std::string exact;

  std::vector<std::string> Columns() const;
};

// Thread-bound. `line` outlives it.
class ContentReader {
 public:
  explicit ContentReader(PhoneLine& line) : line_(line) {}

  // Hands every row to `sink`, values in the order of table.Columns(), by id.
  // Returns how many rows could not be read. Errors as ProviderFailure has them
  // (nothing was handed out then), the phone's, or the sink's own.
  absl::StatusOr<std::uint64_t> Read(const OpContext& ctx, const ContentTable& table,
                                     absl::FunctionRef<absl::Status(const ContentValues&)> sink);

 private:
  using Sink = absl::FunctionRef<absl::Status(const ContentValues&)>;
  struct Query;

  absl::StatusOr<std::string> Ask(const OpContext& ctx, const Query& query);
  absl::StatusOr<std::vector<std::int64_t>> Ids(const OpContext& ctx, const std::string& uri,
                                                const std::string& where);
  absl::Status ReadPage(const OpContext& ctx, const ContentTable& table,
                        const std::vector<std::int64_t>& ids, Sink sink);
  absl::Status ReadAlone(const OpContext& ctx, const ContentTable& table, std::int64_t id,
                         Sink sink);
  absl::Status Emit(ContentValues values, const ContentTable& table, Sink sink);

  PhoneLine& line_;
  std::set<std::int64_t> says_null_;  // Rows whose exact column is the text "NULL".
  std::uint64_t unread_ = 0;
  std::uint64_t alone_ = 0;
};

}  // namespace mooring::agent
