#include "storage/catalog/pg_status.h"

#include <exception>
#include <new>
#include <string>

#include <fmt/format.h>
#include <pqxx/except>

#include "storage/base/status.h"
#include "storage/catalog/catalog.h"

namespace mooring::storage {
namespace {

// First line alone: what follows quotes the statement and its values.
std::string_view FirstLine(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  constexpr std::string_view kPrefix = "ERROR:  ";
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  return text;
}

absl::Status Make(absl::StatusCode code, std::string_view message, std::string_view sqlstate = {}) {
  const std::string text =
      sqlstate.empty() ? fmt::format("database: {}", FirstLine(message))
                       : fmt::format("database: {} (SQLSTATE {})", FirstLine(message), sqlstate);
  return absl::Status(code, text);
}

// COMMIT refused in so many words: a deferred constraint, a conflict, no space.
bool RefusesCommit(std::string_view sqlstate) {
  return sqlstate.starts_with("23") || sqlstate.starts_with("53") || sqlstate == "40001" ||
         sqlstate == "40P01" || sqlstate == "25P02";
}

SqlFailure OfSqlError(const pqxx::sql_error& error, bool committing) {
  const std::string& sqlstate = error.sqlstate();
  const bool lost = sqlstate.starts_with("08") || sqlstate.starts_with("57P");
  if (committing && !RefusesCommit(sqlstate)) {
    return {InDoubtError(fmt::format("commit: {}", FirstLine(error.what()))), true};
  }
  return {StatusOfSqlState(sqlstate, error.what()), lost};
}

}  // namespace

absl::Status StatusOfSqlState(std::string_view sqlstate, std::string_view message) {
  using absl::StatusCode;
  if (sqlstate == "40003") return InDoubtError(fmt::format("database: {}", FirstLine(message)));
  StatusCode code = StatusCode::kInternal;
  if (sqlstate.starts_with("08") || sqlstate.starts_with("57P")) {
    code = StatusCode::kUnavailable;  // Connection lost, or the server goes down or comes up.
  } else if (sqlstate.starts_with("40")) {
    code = StatusCode::kAborted;
  } else if (sqlstate == "23505") {
    code = StatusCode::kAlreadyExists;
  } else if (sqlstate.starts_with("23")) {
    code = StatusCode::kFailedPrecondition;
  } else if (sqlstate.starts_with("22")) {
    code = StatusCode::kInvalidArgument;  // A value that a column cannot hold.
  } else if (sqlstate == "57014" || sqlstate == "55P03") {
    code = StatusCode::kDeadlineExceeded;  // statement_timeout or lock_timeout.
  } else if (sqlstate == "53300") {
    code = StatusCode::kUnavailable;  // Too many connections.
  } else if (sqlstate.starts_with("53")) {
    code = StatusCode::kResourceExhausted;
  } else if (sqlstate.starts_with("58") || sqlstate == "25006") {
    code = StatusCode::kUnavailable;  // I/O error of the server; a read-only standby.
  } else if (sqlstate.starts_with("28") || sqlstate == "3D000" || sqlstate == "42501") {
    code = StatusCode::kFailedPrecondition;  // Role, password, database or right missing.
  } else if (sqlstate == "XX001" || sqlstate == "XX002") {
    code = StatusCode::kDataLoss;  // Damaged page or index: checksums speak here.
  }
  return Make(code, message, sqlstate);
}

SqlFailure CurrentSqlFailure(bool committing) {
  // Order matters: in_doubt_error first, then by SQLSTATE, then by class.
  try {
    throw;
  } catch (const pqxx::in_doubt_error& error) {
    return {InDoubtError(fmt::format("commit: {}", FirstLine(error.what()))), true};
  } catch (const pqxx::broken_connection& error) {
    if (committing) {
      return {InDoubtError(fmt::format("commit: {}", FirstLine(error.what()))), true};
    }
    return {Make(absl::StatusCode::kUnavailable, error.what()), true};
  } catch (const pqxx::sql_error& error) {
    return OfSqlError(error, committing);
  } catch (const pqxx::statement_completion_unknown& error) {
    return {InDoubtError(fmt::format("database: {}", FirstLine(error.what()))), true};
  } catch (const pqxx::transaction_rollback& error) {
    return {Make(absl::StatusCode::kAborted, error.what()), false};
  } catch (const std::bad_alloc&) {
    return {absl::ResourceExhaustedError("database: out of memory"), true};
  } catch (const std::exception& error) {
    if (committing) {
      return {InDoubtError(fmt::format("commit: {}", FirstLine(error.what()))), true};
    }
    return {Make(absl::StatusCode::kInternal, error.what()), true};
  }
}

}  // namespace mooring::storage
