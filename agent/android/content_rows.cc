#include "agent/android/content_rows.h"

#include <charconv>
#include <cstddef>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::string_view kNothing = "No result found.";
constexpr std::string_view kRowStart = "Row: ";
constexpr std::string_view kNull = "NULL";

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool StartsWith(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

std::size_t Count(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

// Line starts that look like a row's.
std::size_t RowStarts(std::string_view output) {
  return Count(output, "\nRow: ") + (StartsWith(output, kRowStart) ? 1 : 0);
}

std::string_view WithoutLastNewline(std::string_view text) {
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return text;
}

bool IsNothing(std::string_view output) {
  return WithoutLastNewline(output) == kNothing || output.empty();
}

std::optional<std::string> ValueOf(std::string_view text) {
  if (text == kNull) return std::nullopt;
  return std::string(text);
}

// Empty if the columns cannot be told apart. `row` begins behind "_id=7".
ContentValues SplitRow(std::string_view row, const std::vector<std::string>& columns,
                       std::int64_t id) {
  ContentValues values;
  values.emplace_back(fmt::to_string(id));
  std::size_t begin = 0;
  for (std::size_t i = 1; i < columns.size(); ++i) {
    const std::string mark = fmt::format(", {}=", columns[i]);
    if (Count(row, mark) != 1) return {};
    const std::size_t at = row.find(mark);
    if (at < begin || (i == 1 && at != 0)) return {};
    if (i > 1) values.push_back(ValueOf(row.substr(begin, at - begin)));
    begin = at + mark.size();
  }
  if (columns.size() > 1) values.push_back(ValueOf(row.substr(begin)));
  return values;
}

absl::Status Unclear() {
  return absl::AbortedError("rows that cannot be told apart");
}

}  // namespace

absl::Status ProviderFailure(std::string_view output, std::string_view errors) {
  // Whatever else it complained of, it answered.
  if (StartsWith(output, kRowStart) || StartsWith(output, kNothing)) return absl::OkStatus();
  const bool at_start = StartsWith(output, "Error while accessing provider") ||
                        StartsWith(output, "[ERROR]") || StartsWith(output, "Exception");
  const std::string_view text = at_start ? output : errors;
  if (text.empty()) return absl::OkStatus();
  if (Contains(text, "SecurityException") || Contains(text, "Permission Denial") ||
      Contains(text, "ermission denied")) {
    return absl::PermissionDeniedError("the phone does not let the computer read it");
  }
  if (Contains(text, "no such column") || Contains(text, "Invalid column")) {
    return absl::FailedPreconditionError("the phone's provider lacks a column");
  }
  if (Contains(text, "Could not find provider") || Contains(text, "Unknown UR") ||
      Contains(text, "Unsupported") || Contains(text, "not found") ||
      Contains(text, "No files supported")) {
    return absl::UnimplementedError("the phone has no such provider");
  }
  if (at_start || Contains(errors, "Error while accessing provider") ||
      Contains(errors, "Exception")) {
    return absl::UnknownError("the phone's provider failed");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::int64_t>> ParseIds(std::string_view output) {
  std::vector<std::int64_t> ids;
  if (IsNothing(output)) return ids;
  std::string_view rest = WithoutLastNewline(output);
  while (!rest.empty()) {
    const std::size_t newline = rest.find('\n');
    const std::string_view line = rest.substr(0, newline);
    const std::string start = fmt::format("Row: {} _id=", ids.size());
    std::int64_t id = 0;
    const char* const end = line.data() + line.size();
    if (!StartsWith(line, start) ||
        std::from_chars(line.data() + start.size(), end, id).ptr != end ||
        line.size() == start.size()) {
      return absl::DataLossError("the phone's list of ids holds something else");
    }
    ids.push_back(id);
    rest.remove_prefix(newline == std::string_view::npos ? rest.size() : newline + 1);
  }
  return ids;
}

absl::StatusOr<std::vector<ContentValues>> ParseRows(std::string_view output,
                                                     const std::vector<std::string>& columns,
                                                     const std::vector<std::int64_t>& ids) {
  std::vector<ContentValues> rows;
  if (IsNothing(output)) {
    if (ids.empty()) return rows;
    return Unclear();
  }
  if (RowStarts(output) != ids.size()) return Unclear();
  std::string_view rest = WithoutLastNewline(output);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string anchor = fmt::format("Row: {} _id={}", i, ids[i]);
    if (!StartsWith(rest, anchor)) return Unclear();
    rest.remove_prefix(anchor.size());
    const std::size_t end = rest.find("\nRow: ");
    const std::string_view row = rest.substr(0, end);
    if (!row.empty() && row.front() != ',') return Unclear();
    rows.push_back(SplitRow(row, columns, ids[i]));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return rows;
}

absl::StatusOr<std::optional<std::string>> ParseOneValue(std::string_view output,
                                                         std::string_view column, std::int64_t id) {
  if (IsNothing(output)) return absl::NotFoundError("the row is gone");
  const std::string start = fmt::format("Row: 0 _id={}, {}=", id, column);
  if (!StartsWith(output, start)) return absl::DataLossError("a row that was not asked for");
  return ValueOf(WithoutLastNewline(output.substr(start.size())));
}

}  // namespace mooring::agent
