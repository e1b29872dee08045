#include "storage/catalog/pg_status.h"

#include <functional>
#include <new>
#include <stdexcept>

#include <gtest/gtest.h>
#include <pqxx/except>

#include "storage/catalog/catalog.h"
#include "storage/catalog/database_url.h"

namespace mooring::storage {
namespace {

using absl::StatusCode;

SqlFailure Mapped(const std::function<void()>& thrower, bool committing = false) {
  try {
    thrower();
  } catch (...) {
    return CurrentSqlFailure(committing);
  }
  return {};
}

SqlFailure MappedSql(const char* sqlstate, bool committing = false) {
  return Mapped([&] { throw pqxx::sql_error("ERROR:  text\nDETAIL:  value", "query", sqlstate); },
                committing);
}

TEST(PgStatus, SqlStatesSayWhatToDo) {
  const std::pair<const char*, StatusCode> kTable[] = {
      {"23505", StatusCode::kAlreadyExists},
      {"23503", StatusCode::kFailedPrecondition},
      {"23514", StatusCode::kFailedPrecondition},
      {"22001", StatusCode::kInvalidArgument},
      {"40001", StatusCode::kAborted},
      {"40P01", StatusCode::kAborted},
      {"57014", StatusCode::kDeadlineExceeded},
      {"55P03", StatusCode::kDeadlineExceeded},
      {"53100", StatusCode::kResourceExhausted},
      {"53300", StatusCode::kUnavailable},
      {"57P01", StatusCode::kUnavailable},
      {"08006", StatusCode::kUnavailable},
      {"58030", StatusCode::kUnavailable},
      {"XX001", StatusCode::kDataLoss},
      {"28000", StatusCode::kFailedPrecondition},
      {"42601", StatusCode::kInternal},
      {"", StatusCode::kInternal},
  };
  for (const auto& [sqlstate, code] : kTable) {
    EXPECT_EQ(StatusOfSqlState(sqlstate, "text").code(), code) << sqlstate;
    EXPECT_EQ(MappedSql(sqlstate).status.code(), code) << sqlstate;
  }
}

TEST(PgStatus, MessagesHoldOneLineWithoutValuesOrStatements) {
  const absl::Status status = MappedSql("23505").status;
  EXPECT_EQ(status.message(), "database: text (SQLSTATE 23505)");
}

TEST(PgStatus, AnUnknownCommitIsInDoubt) {
  EXPECT_TRUE(IsInDoubt(Mapped([] { throw pqxx::in_doubt_error("lost"); }).status));
  EXPECT_TRUE(IsInDoubt(Mapped([] { throw pqxx::statement_completion_unknown("lost"); }).status));
  EXPECT_TRUE(IsInDoubt(StatusOfSqlState("40003", "lost")));
  EXPECT_TRUE(IsInDoubt(Mapped([] { throw pqxx::broken_connection("lost"); }, true).status));
  EXPECT_TRUE(IsInDoubt(MappedSql("57P01", true).status));
  EXPECT_TRUE(IsInDoubt(Mapped([] { throw std::runtime_error("odd"); }, true).status));
}

TEST(PgStatus, ARefusedCommitIsNotInDoubt) {
  EXPECT_EQ(MappedSql("23503", true).status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(MappedSql("40001", true).status.code(), StatusCode::kAborted);
  EXPECT_EQ(Mapped([] { throw pqxx::deadlock_detected("again"); }, true).status.code(),
            StatusCode::kAborted);
}

TEST(PgStatus, InDoubtIsNoticedOnlyWithItsDetail) {
  EXPECT_FALSE(IsInDoubt(absl::OkStatus()));
  EXPECT_FALSE(IsInDoubt(absl::UnknownError("something else")));
  EXPECT_TRUE(IsInDoubt(InDoubtError("commit")));
}

TEST(PgStatus, ALostConnectionIsUnavailableAndDropped) {
  const SqlFailure lost = Mapped([] { throw pqxx::broken_connection("gone"); });
  EXPECT_EQ(lost.status.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(lost.connection_lost);
  EXPECT_TRUE(MappedSql("57P01").connection_lost);
  EXPECT_FALSE(MappedSql("23505").connection_lost);
  EXPECT_FALSE(Mapped([] { throw pqxx::serialization_failure("again"); }).connection_lost);
}

TEST(DatabaseUrl, MessagesNameTheDatabaseWithoutThePassword) {
  EXPECT_EQ(DescribeDatabase("postgresql://u:secret@db.example.com:5433/mooring"),
            "database mooring at db.example.com:5433");
  EXPECT_EQ(DescribeDatabase("nonsense"), "database");
}

TEST(DatabaseUrl, TimeoutsAreAddedWhereNoneAreNamed) {
  const auto options = ConnectOptions("postgresql://u@h/d?connect_timeout=3");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_NE(options->find("connect_timeout='3'"), std::string::npos) << *options;
  EXPECT_NE(options->find("tcp_user_timeout='30000'"), std::string::npos) << *options;
  EXPECT_EQ(ConnectOptions("nonsense").status().code(), StatusCode::kInvalidArgument);
}

TEST(DatabaseUrl, AnotherDatabaseKeepsTheRest) {
  const auto other = WithDatabase("postgresql://u:it%27s@h:1/d", "other");
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(DescribeDatabase(*other), "database other at h:1");
  EXPECT_NE(other->find("password='it\\'s'"), std::string::npos) << *other;
}

TEST(DatabaseUrl, SocketPathsAreEncoded) {
  EXPECT_EQ(SocketUrl("/run/a b", "mooring", "mooring"),
            "postgresql:///mooring?host=%2Frun%2Fa%20b&user=mooring");
}

}  // namespace
}  // namespace mooring::storage
