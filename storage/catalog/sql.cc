#include "storage/catalog/sql.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <pqxx/pqxx>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/catalog/database_url.h"
#include "storage/catalog/pg_status.h"

namespace mooring::storage {
namespace {

// ISO 8601 as PostgreSQL writes it with TimeZone UTC, without the zone.
constexpr char kTimeFormat[] = "%Y-%m-%d %H:%M:%E6S";

// A day; PostgreSQL takes up to 24.
constexpr std::int64_t kTimeoutMsMax = std::int64_t{24} * 3600 * 1000;

std::string HexLiteral(ByteView bytes) {
  return "\\x" + ToHex(bytes);
}

// What every connection is set to, whatever the server's own defaults.
constexpr char kSessionSettings[] =
    "SET default_transaction_isolation = 'read committed';"
    "SET synchronous_commit = on;"
    "SET random_page_cost = 1.1;"
    // Sorts of the whole fleet stay in memory; no statement here repays compiling it.
    "SET work_mem = '32MB';"
    "SET jit = off;"
    "SET TimeZone = 'UTC';"
    "SET DateStyle = 'ISO';"
    "SET bytea_output = 'hex';"
    "SET standard_conforming_strings = on;"
    "SET client_min_messages = 'warning';"
    "SET search_path = public;"
    "SET idle_in_transaction_session_timeout = '10min'";

}  // namespace

// Parameters.

SqlParam::SqlParam(absl::Time time)
    : text_(absl::FormatTime(kTimeFormat, time, absl::UTCTimeZone()) + "+00") {}

SqlParam::SqlParam(ByteView bytes) : text_(HexLiteral(bytes)) {}

SqlParam::SqlParam(const std::vector<int>& values)
    : text_(fmt::format("{{{}}}", fmt::join(values, ","))) {}

SqlParam::SqlParam(const std::vector<Bytes>& values) {
  std::string text = "{";
  for (const Bytes& value : values) {
    if (text.size() > 1) text += ',';
    text += "\"\\\\x" + ToHex(value) + '"';
  }
  text_ = text + "}";
}

SqlParam NullIfEmpty(const Bytes& bytes) {
  return bytes.empty() ? SqlParam(std::nullopt) : SqlParam(bytes);
}

SqlParam NullIfEmpty(std::string_view text) {
  return text.empty() ? SqlParam(std::nullopt) : SqlParam(text);
}

// PostgreSQL's binary forms (array_recv, int4recv, int8recv): big-endian.

namespace {

constexpr std::uint32_t kInt8Oid = 20;
constexpr std::uint32_t kInt4Oid = 23;
constexpr std::uint32_t kByteaOid = 17;

void AppendInt8(Bytes& out, std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  AppendBe32(out, static_cast<std::uint32_t>(bits >> 32));
  AppendBe32(out, static_cast<std::uint32_t>(bits));
}

// One dimension, no nulls, lower bound 1.
Bytes ArrayHeader(std::uint32_t oid, std::size_t count, std::size_t element_bytes) {
  Bytes out;
  out.reserve(20 + count * (4 + element_bytes));
  AppendBe32(out, count == 0 ? 0 : 1);
  AppendBe32(out, 0);
  AppendBe32(out, oid);
  if (count == 0) return out;
  AppendBe32(out, static_cast<std::uint32_t>(count));
  AppendBe32(out, 1);
  return out;
}

}  // namespace

Bytes BinaryInt4(std::int32_t value) {
  Bytes out;
  AppendBe32(out, static_cast<std::uint32_t>(value));
  return out;
}

Bytes BinaryInt8(std::int64_t value) {
  Bytes out;
  AppendInt8(out, value);
  return out;
}

// timestamptz counts microseconds from 2000-01-01.
Bytes BinaryTime(absl::Time time) {
  return BinaryInt8(absl::ToUnixMicros(time) - 946'684'800'000'000);
}

Bytes BinaryInt4Array(std::span<const std::int32_t> values) {
  Bytes out = ArrayHeader(kInt4Oid, values.size(), 4);
  for (const std::int32_t value : values) {
    AppendBe32(out, 4);
    AppendBe32(out, static_cast<std::uint32_t>(value));
  }
  return out;
}

Bytes BinaryInt8Array(std::span<const std::int64_t> values) {
  Bytes out = ArrayHeader(kInt8Oid, values.size(), 8);
  for (const std::int64_t value : values) {
    AppendBe32(out, 8);
    AppendInt8(out, value);
  }
  return out;
}

Bytes BinaryIdArray(std::span<const ChunkId> ids) {
  Bytes out = ArrayHeader(kByteaOid, ids.size(), ChunkId::kBytes);
  for (const ChunkId& id : ids) {
    AppendBe32(out, ChunkId::kBytes);
    Append(out, id.view());
  }
  return out;
}

// Results.

struct SqlResult::Rows {
  pqxx::result result;
  // The row that was read last: making one costs more than reading a column of it.
  pqxx::row row;
  int row_number = -1;

  pqxx::field At(int row_index, int column) {
    if (row_number != row_index) {
      row = result[static_cast<pqxx::result::size_type>(row_index)];
      row_number = row_index;
    }
    return row[static_cast<pqxx::row::size_type>(column)];
  }
};

SqlResult::SqlResult(std::unique_ptr<Rows> rows) : rows_(std::move(rows)) {}
SqlResult::SqlResult(SqlResult&&) noexcept = default;
SqlResult& SqlResult::operator=(SqlResult&&) noexcept = default;
SqlResult::~SqlResult() = default;

int SqlResult::size() const {
  return static_cast<int>(rows_->result.size());
}

std::size_t SqlResult::columns() const {
  return rows_->result.columns();
}

std::uint64_t SqlResult::affected() const {
  return rows_->result.affected_rows();
}

bool SqlReader::NextIsNull() const {
  MOORING_CHECK(row_ < result_.size() &&
                column_ < static_cast<int>(result_.rows_->result.columns()));
  return result_.rows_->At(row_, column_).is_null();
}

std::string_view SqlReader::Next(bool null_is_good) {
  MOORING_CHECK(row_ < result_.size() &&
                column_ < static_cast<int>(result_.rows_->result.columns()));
  const pqxx::field field = result_.rows_->At(row_, column_++);
  if (field.is_null()) {
    if (!null_is_good) Fail("null");
    return {};
  }
  // libpq owns the bytes for as long as the result lives.
  return {field.c_str(), field.size()};
}

void SqlReader::Fail(std::string_view what) {
  if (!status_.ok()) return;
  const char* name = "?";
  if (column_ > 0) {
    name = result_.rows_->result.column_name(static_cast<pqxx::row::size_type>(column_ - 1));
  }
  status_ = absl::DataLossError(fmt::format("catalog: column {} holds {}", name, what));
}

std::string SqlReader::Text() {
  return std::string(Next());
}

bool SqlReader::Bool() {
  return Next() == "t";
}

std::int64_t SqlReader::Int64() {
  const std::string_view text = Next();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) Fail("no integer");
  return value;
}

std::uint64_t SqlReader::Uint64() {
  const std::int64_t value = Int64();
  if (value < 0) Fail("a negative number");
  return static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0));
}

std::uint32_t SqlReader::Uint32() {
  const std::uint64_t value = Uint64();
  if (value > UINT32_MAX) Fail("a number out of range");
  return static_cast<std::uint32_t>(value);
}

absl::Time SqlReader::Time() {
  std::string_view text = Next();
  if (text.ends_with("+00")) text.remove_suffix(3);
  absl::Time time;
  std::string error;
  if (!absl::ParseTime("%Y-%m-%d %H:%M:%E*S", ToAbsl(text), absl::UTCTimeZone(), &time, &error)) {
    Fail("no time");
  }
  return time;
}

std::optional<absl::Time> SqlReader::OptionalTime() {
  if (NextIsNull()) {
    ++column_;
    return std::nullopt;
  }
  return Time();
}

std::optional<std::uint64_t> SqlReader::OptionalUint64() {
  if (NextIsNull()) {
    ++column_;
    return std::nullopt;
  }
  return Uint64();
}

Bytes SqlReader::Blob() {
  const std::string_view text = Next(true);
  if (text.empty()) return {};
  const std::optional<Bytes> bytes =
      text.starts_with("\\x") ? FromHex(text.substr(2)) : std::nullopt;
  if (!bytes.has_value()) Fail("no bytes");
  return bytes.value_or(Bytes());
}

namespace {

// The elements of a one-dimensional array in text form whose elements hold
// neither comma nor brace, quotes taken off; nullopt for anything else.
std::optional<std::vector<std::string_view>> ArrayElements(std::string_view text) {
  if (!text.starts_with('{') || !text.ends_with('}') || text.size() < 2) return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<std::string_view> elements;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view element = text.substr(0, comma);
    if (element.size() >= 2 && element.front() == '"' && element.back() == '"') {
      element = element.substr(1, element.size() - 2);
    }
    elements.push_back(element);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return elements;
}

}  // namespace

std::vector<int> SqlReader::IntArray() {
  const auto elements = ArrayElements(Next());
  if (!elements.has_value()) {
    Fail("no array");
    return {};
  }
  std::vector<int> values;
  for (const std::string_view element : *elements) {
    int value = 0;
    const auto [end, error] =
        std::from_chars(element.data(), element.data() + element.size(), value);
    if (error != std::errc() || end != element.data() + element.size()) Fail("no integers");
    values.push_back(value);
  }
  return values;
}

std::vector<Bytes> SqlReader::BlobArray() {
  const auto elements = ArrayElements(Next());
  if (!elements.has_value()) {
    Fail("no array");
    return {};
  }
  std::vector<Bytes> values;
  for (const std::string_view element : *elements) {
    // Quoted, the backslash is doubled: "\\x0a".
    const std::optional<Bytes> bytes =
        element.starts_with("\\\\x") ? FromHex(element.substr(3)) : std::nullopt;
    if (!bytes.has_value()) Fail("no bytes");
    values.push_back(bytes.value_or(Bytes()));
  }
  return values;
}

// The session.

using Work = pqxx::transaction<pqxx::read_committed>;

struct SqlSession::Impl {
  explicit Impl(const std::string& options) : connection(options) {}

  pqxx::connection connection;
  std::unique_ptr<Work> work;
};

SqlSession::SqlSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SqlSession::~SqlSession() = default;

absl::StatusOr<std::unique_ptr<SqlSession>> SqlSession::Connect(const std::string& url) {
  MOORING_ASSIGN_OR_RETURN(const std::string options, ConnectOptions(url));
  try {
    auto impl = std::make_unique<Impl>(options);
    // A connection that came back by itself would have lost its settings and its
    // locks. Deprecated because later versions of libpqxx never do it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    impl->connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
    pqxx::nontransaction(impl->connection).exec(kSessionSettings);
    return std::unique_ptr<SqlSession>(new SqlSession(std::move(impl)));
  } catch (...) {
    return Annotate(CurrentSqlFailure(false).status,
                    fmt::format("connect to {}", DescribeDatabase(url)));
  }
}

absl::Status SqlSession::Fail(const absl::Status& status) {
  if (failure_.ok()) failure_ = status;
  return status;
}

absl::Status SqlSession::BeginSnapshot(absl::Duration timeout) {
  MOORING_CHECK(impl_->work == nullptr);
  failure_ = absl::OkStatus();
  statements_ = 0;
  const std::int64_t milliseconds =
      std::clamp(absl::ToInt64Milliseconds(timeout), std::int64_t{1}, kTimeoutMsMax);
  try {
    impl_->work = std::make_unique<Work>(impl_->connection);
    impl_->work->exec("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    impl_->work->exec_params("SELECT set_config('statement_timeout', $1, true)",
                             std::to_string(milliseconds));
    return absl::OkStatus();
  } catch (...) {
    broken_ = true;
    impl_->work.reset();
    return CurrentSqlFailure(false).status;
  }
}

absl::Status SqlSession::Begin(absl::Duration timeout) {
  MOORING_CHECK(impl_->work == nullptr);
  failure_ = absl::OkStatus();
  statements_ = 0;
  try {
    impl_->work = std::make_unique<Work>(impl_->connection);
    const std::int64_t milliseconds =
        std::clamp(absl::ToInt64Milliseconds(timeout), std::int64_t{1}, kTimeoutMsMax);
    const pqxx::result isolation = impl_->work->exec_params(
        "SELECT set_config('statement_timeout', $1, true), "
        "current_setting('transaction_isolation')",
        std::to_string(milliseconds));
    // The collector's protocol is wrong under any other level: it needs each
    // statement to see what was committed before its lock was granted.
    if (isolation[0][1].as<std::string>() != "read committed") {
      Rollback();
      return absl::FailedPreconditionError("database: transactions are not READ COMMITTED");
    }
    return absl::OkStatus();
  } catch (...) {
    const SqlFailure failure = CurrentSqlFailure(false);
    broken_ =
        broken_ || failure.connection_lost || failure.status.code() != absl::StatusCode::kAborted;
    impl_->work.reset();
    return failure.status;
  }
}

absl::Status SqlSession::Commit() {
  MOORING_CHECK(impl_->work != nullptr);
  // PostgreSQL answers COMMIT of a failed transaction with a silent rollback.
  MOORING_CHECK(failure_.ok());
  try {
    impl_->work->commit();
    impl_->work.reset();
    return absl::OkStatus();
  } catch (...) {
    const SqlFailure failure = CurrentSqlFailure(true);
    broken_ = broken_ || failure.connection_lost;
    impl_->work.reset();
    return failure.status;
  }
}

void SqlSession::Rollback() {
  if (impl_->work == nullptr) return;
  try {
    impl_->work->abort();
  } catch (...) {
    broken_ = true;
  }
  impl_->work.reset();
}

template <typename Statement>
absl::StatusOr<SqlResult> SqlSession::Run(Statement statement) {
  if (!failure_.ok()) return failure_;
  if (stop_.stop_requested()) return Fail(absl::CancelledError("database: stopped"));
  ++statements_;
  try {
    auto rows = std::make_unique<SqlResult::Rows>();
    if (impl_->work != nullptr) {
      rows->result = statement(*impl_->work);
    } else {
      pqxx::nontransaction alone(impl_->connection);
      rows->result = statement(alone);
    }
    return SqlResult(std::move(rows));
  } catch (...) {
    const SqlFailure failure = CurrentSqlFailure(false);
    broken_ = broken_ || failure.connection_lost;
    return impl_->work != nullptr ? Fail(failure.status) : failure.status;
  }
}

absl::StatusOr<SqlResult> SqlSession::ExecText(std::string_view sql,
                                               const std::vector<SqlParam>& params) {
  std::vector<const char*> values;
  values.reserve(params.size());
  for (const SqlParam& param : params) {
    // Parameters go as C strings: a NUL would cut the value short unnoticed.
    if (param.text().has_value() && param.text()->find('\0') != std::string::npos) {
      return Fail(absl::InvalidArgumentError("database: a text holds a NUL character"));
    }
    values.push_back(param.text().has_value() ? param.text()->c_str() : nullptr);
  }
  return Run([&](pqxx::transaction_base& work) {
    return work.exec_params(std::string(sql), pqxx::prepare::make_dynamic_params(values));
  });
}

absl::StatusOr<SqlResult> SqlSession::ExecBinary(std::string_view sql,
                                                 const std::vector<Bytes>& params) {
  std::vector<pqxx::binarystring> values;
  values.reserve(params.size());
  for (const Bytes& param : params) values.emplace_back(param.data(), param.size());
  return Run([&](pqxx::transaction_base& work) {
    return work.exec_params(std::string(sql), pqxx::prepare::make_dynamic_params(values));
  });
}

absl::Status SqlSession::ExecScript(std::string_view sql) {
  return Run([&](pqxx::transaction_base& work) { return work.exec(std::string(sql)); }).status();
}

}  // namespace mooring::storage
