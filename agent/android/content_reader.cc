#include "agent/android/content_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/device/socket_wait.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kIdsBytesMax = 64 << 20;
constexpr std::size_t kPageBytesMax = 8 << 20;
constexpr std::size_t kPageRows = 2000;
// Rows that are asked for one by one: each costs a process on the phone per text.
constexpr std::uint64_t kAloneMax = 2000;

// A page that has to be asked for in smaller pieces.
bool IsUnclear(const absl::Status& status) {
  return absl::IsAborted(status) || absl::IsOutOfRange(status) || absl::IsDataLoss(status);
}

}  // namespace

struct ContentReader::Query {
  const std::string& uri;
  std::vector<std::string> columns;
  std::string where;
  std::size_t bytes_max = kPageBytesMax;
};

std::vector<std::string> ContentTable::Columns() const {
  std::vector<std::string> columns = numbers;
  columns.insert(columns.end(), texts.begin(), texts.end());
  return columns;
}

absl::StatusOr<std::string> ContentReader::Ask(const OpContext& ctx, const Query& query) {
  std::string command = fmt::format("content query --uri {} --projection {}",
                                    QuoteForShell(query.uri), fmt::join(query.columns, ":"));
  if (!query.where.empty()) command += " --where " + QuoteForShell(query.where);
  command += " --sort '_id ASC'";
  ShellResult result;
  MOORING_RETURN_IF_ERROR(line_.Run(ctx, [&]() -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(result, RunShell(ctx, line_.device(), command, query.bytes_max));
    return absl::OkStatus();
  }));
  MOORING_RETURN_IF_ERROR(ProviderFailure(result.output, result.exit.errors));
  if (result.exit.status != 0) return absl::UnknownError("the phone's provider failed");
  return std::move(result.output);
}

absl::StatusOr<std::vector<std::int64_t>> ContentReader::Ids(const OpContext& ctx,
                                                             const std::string& uri,
                                                             const std::string& where) {
  MOORING_ASSIGN_OR_RETURN(const std::string output, Ask(ctx, {uri, {"_id"}, where, kIdsBytesMax}));
  MOORING_ASSIGN_OR_RETURN(std::vector<std::int64_t> ids, ParseIds(output));
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

absl::StatusOr<std::uint64_t> ContentReader::Read(const OpContext& ctx, const ContentTable& table,
                                                  Sink sink) {
  unread_ = 0;
  alone_ = 0;
  says_null_.clear();
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::int64_t> ids, Ids(ctx, table.uri, ""));
  if (ids.empty()) return std::uint64_t{0};
  // Whether the phone knows the columns, before anything is handed out.
  MOORING_RETURN_IF_ERROR(
      Ask(ctx, {table.uri, table.Columns(), fmt::format("_id={}", ids.front())}).status());
  if (!table.exact.empty()) {
    const auto null_texts = Ids(ctx, table.uri, table.exact + "='NULL'");
    if (null_texts.ok()) says_null_.insert(null_texts->begin(), null_texts->end());
  }
  for (std::size_t at = 0; at < ids.size(); at += kPageRows) {
    MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end =
        ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), at + kPageRows));
    MOORING_RETURN_IF_ERROR(ReadPage(ctx, table, {begin, end}, sink));
  }
  return unread_;
}

absl::Status ContentReader::Emit(ContentValues values, const ContentTable& table, Sink sink) {
  std::int64_t id = 0;
  std::from_chars(values[0]->data(), values[0]->data() + values[0]->size(), id);
  if (says_null_.count(id) > 0) {
    const auto at = std::find(table.texts.begin(), table.texts.end(), table.exact);
    values[table.numbers.size() + static_cast<std::size_t>(at - table.texts.begin())] = "NULL";
  }
  return sink(values);
}

absl::Status ContentReader::ReadPage(const OpContext& ctx, const ContentTable& table,
                                     const std::vector<std::int64_t>& ids, Sink sink) {
  if (ids.size() == 1) return ReadAlone(ctx, table, ids.front(), sink);
  const std::vector<std::string> columns = table.Columns();
  const absl::StatusOr<std::string> output =
      Ask(ctx, {table.uri, columns, fmt::format("_id>={} AND _id<={}", ids.front(), ids.back())});
  absl::Status status = output.status();
  std::vector<ContentValues> rows;
  if (output.ok()) {
    auto parsed = ParseRows(*output, columns, ids);
    status = parsed.status();
    if (parsed.ok()) rows = *std::move(parsed);
  }
  if (IsUnclear(status)) {
    const auto middle = ids.begin() + static_cast<std::ptrdiff_t>(ids.size() / 2);
    MOORING_RETURN_IF_ERROR(ReadPage(ctx, table, {ids.begin(), middle}, sink));
    return ReadPage(ctx, table, {middle, ids.end()}, sink);
  }
  MOORING_RETURN_IF_ERROR(status);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    MOORING_RETURN_IF_ERROR(rows[i].empty() ? ReadAlone(ctx, table, ids[i], sink)
                                            : Emit(std::move(rows[i]), table, sink));
  }
  return absl::OkStatus();
}

absl::Status ContentReader::ReadAlone(const OpContext& ctx, const ContentTable& table,
                                      std::int64_t id, Sink sink) {
  if (++alone_ > kAloneMax) {
    ++unread_;
    return absl::OkStatus();
  }
  const std::string where = fmt::format("_id={}", id);
  MOORING_ASSIGN_OR_RETURN(const std::string numbers, Ask(ctx, {table.uri, table.numbers, where}));
  const auto row = ParseRows(numbers, table.numbers, {id});
  // Deleted meanwhile, or numbers that are none.
  if (!row.ok() || row->front().empty()) {
    unread_ += numbers.find("No result") == std::string::npos ? 1U : 0U;
    return absl::OkStatus();
  }
  ContentValues values = row->front();
  for (const std::string& column : table.texts) {
    const auto output = Ask(ctx, {table.uri, {"_id", column}, where});
    if (IsUnclear(output.status())) {  // Longer than we take.
      ++unread_;
      return absl::OkStatus();
    }
    MOORING_RETURN_IF_ERROR(output.status());
    auto value = ParseOneValue(*output, column, id);
    if (!value.ok()) {
      unread_ += absl::IsNotFound(value.status()) ? 0U : 1U;
      return absl::OkStatus();
    }
    values.push_back(*std::move(value));
  }
  return Emit(std::move(values), table, sink);
}

}  // namespace mooring::agent
