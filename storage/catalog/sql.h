// SqlSession: one PostgreSQL connection with Status in place of exceptions.
// Inside storage/catalog only; sql.cc and pg_status.cc are the seam to libpqxx.
//
// Parameters go as text, and are typed by the statement ($1::int where PostgreSQL
// could not tell). Statements are not prepared: parsing costs little beside the
// round trip, and a generic plan for an array parameter can cost a sequential scan.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"

namespace mooring::storage {

// One parameter in PostgreSQL's text form, or null.
class SqlParam {
 public:
  // NOLINTBEGIN(google-explicit-constructor): a value stands for its parameter.
  SqlParam(std::nullopt_t) {}
  SqlParam(std::string_view text) : text_(std::string(text)) {}
  SqlParam(const std::string& text) : text_(text) {}
  SqlParam(const char* text) : text_(std::string(text)) {}
  SqlParam(bool value) : text_(value ? "true" : "false") {}
  SqlParam(absl::Time time);
  SqlParam(ByteView bytes);
  SqlParam(const Bytes& bytes) : SqlParam(ByteView(bytes)) {}
  SqlParam(const std::vector<int>& values);
  SqlParam(const std::vector<Bytes>& values);

  template <typename T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) SqlParam(T value)
      : text_(std::to_string(value)) {}

  template <typename T>
  requires std::is_enum_v<T> SqlParam(T value) : SqlParam(static_cast<int>(value)) {}

  template <typename Tag, std::size_t kLength>
  SqlParam(const Id<Tag, kLength>& id) : SqlParam(id.view()) {}

  template <typename T>
  SqlParam(const std::optional<T>& value) {
    if (value.has_value()) *this = SqlParam(*value);
  }
  // NOLINTEND(google-explicit-constructor)

  const std::optional<std::string>& text() const { return text_; }

 private:
  std::optional<std::string> text_;
};

// Null for an empty one.
SqlParam NullIfEmpty(const Bytes& bytes);
SqlParam NullIfEmpty(std::string_view text);

// Parameters in PostgreSQL's binary form, for statements with long arrays.
Bytes BinaryInt4(std::int32_t value);
Bytes BinaryInt8(std::int64_t value);
Bytes BinaryTime(absl::Time time);
Bytes BinaryInt4Array(std::span<const std::int32_t> values);
Bytes BinaryInt8Array(std::span<const std::int64_t> values);
Bytes BinaryIdArray(std::span<const ChunkId> ids);

// The rows of one statement. Move-only; readers borrow from it.
class SqlResult {
 public:
  struct Rows;
  explicit SqlResult(std::unique_ptr<Rows> rows);
  SqlResult(SqlResult&&) noexcept;
  SqlResult& operator=(SqlResult&&) noexcept;
  ~SqlResult();

  int size() const;
  bool empty() const { return size() == 0; }
  // Rows that an INSERT, UPDATE or DELETE touched.
  std::uint64_t affected() const;
  std::size_t columns() const;

 private:
  friend class SqlReader;
  std::unique_ptr<Rows> rows_;
};

// Reads the columns of one row in order. A column that is not what was asked
// for makes status() kDataLoss, and the getters return empty values.
class SqlReader {
 public:
  SqlReader(const SqlResult& result, int row) : result_(result), row_(row) {}

  std::string Text();
  bool Bool();
  std::int64_t Int64();
  std::uint64_t Uint64();
  std::optional<std::uint64_t> OptionalUint64();
  std::uint32_t Uint32();
  absl::Time Time();
  std::optional<absl::Time> OptionalTime();
  Bytes Blob();  // Empty for null.
  std::vector<int> IntArray();
  std::vector<Bytes> BlobArray();

  template <typename T>
  T Enum() {
    return static_cast<T>(Int64());
  }

  template <typename T>
  T IdOf() {
    const std::optional<T> id = T::FromBytes(ByteView(Blob()));
    if (!id.has_value()) Fail("an id of another length");
    return id.value_or(T());
  }

  template <typename T>
  std::optional<T> OptionalIdOf() {
    if (NextIsNull()) {
      ++column_;
      return std::nullopt;
    }
    return IdOf<T>();
  }

  // A serialized message.
  template <typename T>
  T Message() {
    const Bytes bytes = Blob();
    T message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      Fail("a message that does not parse");
    }
    return message;
  }

  template <typename T>
  std::optional<T> OptionalMessage() {
    if (NextIsNull()) {
      ++column_;
      return std::nullopt;
    }
    return Message<T>();
  }

  bool NextIsNull() const;
  void Fail(std::string_view what);
  const absl::Status& status() const { return status_; }

 private:
  std::string_view Next(bool null_is_good = false);

  const SqlResult& result_;
  const int row_;
  int column_ = 0;
  absl::Status status_;
};

// Thread-bound.
class SqlSession {
 public:
  // `url` is a libpq URL or keyword string. kUnavailable: no connection.
  // kFailedPrecondition: refused (password, database, role).
  static absl::StatusOr<std::unique_ptr<SqlSession>> Connect(const std::string& url);
  ~SqlSession();
  SqlSession(const SqlSession&) = delete;
  SqlSession& operator=(const SqlSession&) = delete;

  // Opens a READ COMMITTED transaction whose statements may each take `timeout`.
  absl::Status Begin(absl::Duration timeout);
  // Opens one that sees a single state of the database throughout and changes
  // nothing: for long reads, never for what decides anything.
  absl::Status BeginSnapshot(absl::Duration timeout);
  // kUnknown with ErrorDetail.in_doubt where the outcome is not known.
  absl::Status Commit();
  void Rollback();

  // One statement of the open transaction, or one of its own where none is open.
  template <typename... Params>
  absl::StatusOr<SqlResult> Exec(std::string_view sql, const Params&... params) {
    return ExecText(sql, std::vector<SqlParam>{SqlParam(params)...});
  }
  absl::StatusOr<SqlResult> ExecText(std::string_view sql, const std::vector<SqlParam>& params);
  absl::StatusOr<SqlResult> ExecBinary(std::string_view sql, const std::vector<Bytes>& params);

  // Several statements without parameters or rows.
  absl::Status ExecScript(std::string_view sql);

  // The first statement of the open transaction that failed: it can only roll back.
  const absl::Status& failure() const { return failure_; }
  // Statements since Begin.
  int statements() const { return statements_; }
  // The connection is lost; drop it.
  bool broken() const { return broken_; }

  // Where the stop token of the present operation is asked before each statement.
  void SetStop(std::stop_token stop) { stop_ = std::move(stop); }

 private:
  struct Impl;
  explicit SqlSession(std::unique_ptr<Impl> impl);
  absl::Status Fail(const absl::Status& status);
  template <typename Statement>
  absl::StatusOr<SqlResult> Run(Statement statement);

  std::unique_ptr<Impl> impl_;
  absl::Status failure_;
  int statements_ = 0;
  bool broken_ = false;
  std::stop_token stop_;
};

}  // namespace mooring::storage
