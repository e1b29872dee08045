#include "agent/ios/manifest_db.h"

#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/support/fake_snapshot.h"

namespace mooring::agent {
namespace {

using mooring::testing::BytesReader;
using ::testing::ElementsAre;

// A database that `sql` makes, as the bytes of its file.
Bytes MakeDatabase(const std::string& sql) {
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
  char* error = nullptr;
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK)
      << (error == nullptr ? "" : error);
  sqlite3_int64 size = 0;
  unsigned char* raw = sqlite3_serialize(db, "main", &size, 0);
  Bytes bytes(static_cast<std::size_t>(size));
  std::copy_n(reinterpret_cast<const std::byte*>(raw), bytes.size(), bytes.begin());
  sqlite3_free(raw);
  sqlite3_close(db);
  return bytes;
}

constexpr const char* kSchema =
    "CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, "
    "flags INTEGER, file BLOB);";

// `rows` rows with blobs of `blob_bytes`.
Bytes MakeManifest(int rows, int blob_bytes = 10) {
  return MakeDatabase(fmt::format(
      "{} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
      "INSERT INTO Files SELECT printf('%040x', i), 'D', 'p' || i, CASE i % 3 WHEN 0 THEN 2 "
      "ELSE 1 END, zeroblob({}) FROM n;",
      kSchema, rows, blob_bytes));
}

absl::Status Count(ByteView bytes, std::uint64_t& rows, std::uint64_t rows_max = 1'000'000) {
  BytesReader reader(Bytes(bytes.begin(), bytes.end()));
  rows = 0;
  return VisitManifestRows(
      {}, reader,
      [&](const ManifestRow&) {
        ++rows;
        return absl::OkStatus();
      },
      rows_max);
}

TEST(ManifestDbTest, VisitsEveryRow) {
  BytesReader reader(MakeManifest(3));
  std::vector<std::string> seen;
  const absl::Status visited = VisitManifestRows({}, reader, [&](const ManifestRow& row) {
    seen.push_back(fmt::format("{} {}", row.file_id.substr(38), row.flags));
    return absl::OkStatus();
  });
  ASSERT_TRUE(visited.ok()) << visited;
  EXPECT_THAT(seen, ElementsAre("01 1", "02 1", "03 2"));
}

TEST(ManifestDbTest, ReadsADatabaseLargerThanTheCache) {
  std::uint64_t rows = 0;
  const Bytes large = MakeManifest(20'000, 700);
  ASSERT_GT(large.size(), std::size_t{12} << 20);
  ASSERT_TRUE(Count(large, rows).ok());
  EXPECT_EQ(rows, 20'000U);
}

TEST(ManifestDbTest, WriteAheadHeaderDoesNotMatter) {
  Bytes bytes = MakeManifest(3);
  bytes[18] = std::byte{2};
  bytes[19] = std::byte{2};
  std::uint64_t rows = 0;
  const absl::Status visited = Count(bytes, rows);
  EXPECT_TRUE(visited.ok()) << visited;
  EXPECT_EQ(rows, 3U);
}

TEST(ManifestDbTest, OtherThingsAreRefused) {
  std::uint64_t rows = 0;
  EXPECT_TRUE(absl::IsInvalidArgument(Count({}, rows)));
  EXPECT_TRUE(absl::IsInvalidArgument(Count(AsBytes(std::string(5000, 'x')), rows)));
  EXPECT_TRUE(absl::IsInvalidArgument(Count(MakeDatabase("CREATE TABLE t(x);"), rows)));
  EXPECT_TRUE(absl::IsInvalidArgument(Count(MakeManifest(100), rows, 99)));
}

TEST(ManifestDbTest, ViewsAndVirtualTablesAreRefused) {
  std::uint64_t rows = 0;
  EXPECT_TRUE(absl::IsInvalidArgument(
      Count(MakeDatabase("CREATE TABLE t(x); CREATE VIEW Files AS "
                         "SELECT x AS fileID, randomblob(1000000000) AS flags FROM t;"),
            rows)));
  EXPECT_TRUE(absl::IsInvalidArgument(
      Count(MakeDatabase("CREATE VIRTUAL TABLE Files USING fts5(fileID, flags);"), rows)));
}

TEST(ManifestDbTest, EveryTruncationAndFlipIsSurvived) {
  const Bytes whole = MakeManifest(300, 50);
  for (std::size_t size = 0; size < whole.size(); size += 997) {
    std::uint64_t rows = 0;
    Count(ByteView(whole).first(size), rows).IgnoreError();
  }
  for (std::size_t at = 0; at < whole.size(); at += 37) {
    Bytes flipped = whole;
    flipped[at] ^= std::byte{0xFF};
    std::uint64_t rows = 0;
    Count(flipped, rows).IgnoreError();
    EXPECT_LE(rows, 1'000'000U);
  }
}

TEST(ManifestDbTest, ErrorsOfTheReaderComeThrough) {
  class FailingReader final : public FileReader {
   public:
    std::uint64_t size_bytes() const override { return 1 << 20; }
    absl::StatusOr<std::size_t> ReadAt(std::uint64_t, std::span<std::byte>) override {
      return absl::UnavailableError("server gone");
    }
  } reader;
  EXPECT_TRUE(absl::IsUnavailable(
      VisitManifestRows({}, reader, [](const ManifestRow&) { return absl::OkStatus(); })));
}

TEST(ManifestDbTest, StopEndsTheVisit) {
  BytesReader reader(MakeManifest(20'000));
  std::stop_source stop;
  OpContext ctx;
  ctx.stop = stop.get_token();
  std::uint64_t rows = 0;
  const absl::Status visited = VisitManifestRows(ctx, reader, [&](const ManifestRow&) {
    if (++rows == 10) stop.request_stop();
    return absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsCancelled(visited)) << visited;
  EXPECT_LT(rows, 20'000U);
}

}  // namespace
}  // namespace mooring::agent
