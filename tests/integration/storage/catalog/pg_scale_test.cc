// Statements that must not scan: their plans hold at the size of a large fleet.

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/compliance_query.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/sql.h"
#include "tests/integration/storage/catalog/postgres_fixture.h"

namespace mooring::storage {
namespace {

class PgScaleTest : public testing::PostgresTest {
 protected:
  void Script(const std::string& statements) {
    auto sql = SqlSession::Connect(url());
    ASSERT_TRUE(sql.ok()) << sql.status();
    const absl::Status status = (*sql)->ExecScript(statements);
    ASSERT_TRUE(status.ok()) << status;
  }
  // Milliseconds that `body` took, for the reader of the log; never asserted.
  template <typename Body>
  void Timed(const std::string& what, Body body) {
    const absl::Duration start = clock().Monotonic();
    body();
    RecordProperty(what, absl::FormatDuration(clock().Monotonic() - start));
    fmt::print("{}: {}\n", what, absl::FormatDuration(clock().Monotonic() - start));
  }
};

// One phone in ten without a person, one person in ten without a phone.
constexpr char kFleet[] =
    "INSERT INTO person (id, handle, name, email, policy_group, created_at)"
    " SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 'p' || n, 'P', '', 'default', now()"
    " FROM generate_series(1, 100000) n;"
    "INSERT INTO agent (id, hostname, version, protocol_version, hpke_public_key, key_hash,"
    " certificate_expires_at, enrolled_at)"
    " VALUES (decode(repeat('01', 16), 'hex'), 'desk', '', 1, decode(repeat('01', 32), 'hex'),"
    " decode(repeat('01', 32), 'hex'), now(), now());"
    "INSERT INTO device (id, platform, serial, name, model, os_version, person_id, first_seen_at,"
    " last_seen_at) SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 1, 'S' || n, '', '', '',"
    " CASE WHEN n % 10 <> 0 THEN decode(lpad(to_hex(n), 32, '0'), 'hex') END, now(), now()"
    " FROM generate_series(1, 100000) n;"
    "INSERT INTO session (id, idempotency_key, device_id, person_id, lineage, agent_id,"
    " snapshot_id, sequence, state, captures, wrapped_snapshot_key, started_at, lease_until,"
    " ended_at, commit_key, receipt)"
    " SELECT decode(lpad(to_hex(n * 2 + s), 32, '0'), 'hex'),"
    " decode(lpad(to_hex(n * 2 + s), 32, '0'), 'hex'), d.id, d.person_id, 1,"
    " decode(repeat('01', 16), 'hex'), decode(lpad(to_hex(n * 2 + s), 32, '0'), 'hex'), s + 1, 2,"
    " '{1}', '', now(), now(), now(), '', '' FROM generate_series(1, 100000) n"
    " CROSS JOIN generate_series(0, 1) s JOIN device d ON d.serial = 'S' || n"
    " WHERE d.person_id IS NOT NULL;"
    "INSERT INTO snapshot (id, device_id, person_id, lineage, sequence, session_id, created_at,"
    " captured_at, file_count, logical_bytes, read_bytes, new_bytes, referenced_bytes,"
    " chunk_count, root, root_hash, captures, device_facts, refs, base_ids)"
    " SELECT snapshot_id, device_id, person_id, 1, sequence, id, now(),"
    " now() + sequence * interval '1 s', 1, 1, 1, 1, 1, 1, '', '', '{}', '', '', ''"
    " FROM session;"
    "ANALYZE";

TEST_F(PgScaleTest, TheComplianceReportOf100000Devices) {
  ASSERT_NO_FATAL_FAILURE(Script(kFleet));
  std::vector<ComplianceFact> facts;
  Timed("compliance_facts", [&] {
    const absl::Status status = catalog().Run(ctx(), [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(facts, tx.compliance().Facts(""));
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
  ASSERT_EQ(facts.size(), 110000u);  // 100,000 phones and 10,000 people without one.
  std::size_t backed_up = 0;
  for (const ComplianceFact& fact : facts) backed_up += fact.last_snapshot.has_value() ? 1U : 0U;
  EXPECT_EQ(backed_up, 90000u);

  Timed("device_list", [&] {
    const absl::Status status = catalog().Run(ctx(), [&](Transaction& tx) -> absl::Status {
      const auto devices = tx.devices().List(std::nullopt);
      EXPECT_EQ(devices.ok() ? devices->size() : 0, 100000u);
      return devices.status();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST_F(PgScaleTest, FindingChunksAmongManyUsesTheIndex) {
  ASSERT_NO_FATAL_FAILURE(
      Script("INSERT INTO domain (id, person_id) VALUES (decode(repeat('02', 16), 'hex'), NULL);"
             "INSERT INTO person (id, handle, name, email, policy_group, created_at) VALUES"
             " (decode(repeat('03', 16), 'hex'), 'p', '', '', 'default', now());"
             "INSERT INTO domain (id, person_id) VALUES (decode(repeat('03', 16), 'hex'),"
             " decode(repeat('03', 16), 'hex'));"
             "INSERT INTO pack (id, state, bytes, sha256, created_at) VALUES"
             " (decode(repeat('04', 16), 'hex'), 2, 1, decode(repeat('04', 32), 'hex'), now());"
             "INSERT INTO chunk (domain_no, id, pack_no, pack_offset, bytes, state)"
             " SELECT 2, sha256(int8send(n)), 1, n, 100, 1 FROM generate_series(1, 300000) n;"
             "ANALYZE"));
  const PersonId person = *PersonId::FromHex("03030303030303030303030303030303");
  const DomainId domain = *DomainId::FromHex("03030303030303030303030303030303");
  auto sql = SqlSession::Connect(url());
  ASSERT_TRUE(sql.ok());
  std::vector<ChunkId> ids;
  auto rows = (*sql)->Exec("SELECT id FROM chunk ORDER BY id LIMIT 40000");
  ASSERT_TRUE(rows.ok());
  for (int i = 0; i < rows->size(); ++i) ids.push_back(SqlReader(*rows, i).IdOf<ChunkId>());
  const auto scans = [&] {
    auto result = (*sql)->Exec("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'chunk'");
    return result.ok() ? SqlReader(*result, 0).Int64() : -1;
  };
  const std::int64_t before = scans();
  Timed("find_40000_chunks", [&] {
    const absl::Status status = catalog().Run(ctx(), [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(const auto live, tx.chunks().FindLive(person, domain, ids));
      for (const auto& chunk : live) EXPECT_TRUE(chunk.has_value());
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
  CloseCatalog();  // Its backend reports its statistics as it goes.
  clock().Sleep(absl::Milliseconds(200), {});
  EXPECT_EQ(scans(), before);
}

}  // namespace
}  // namespace mooring::storage
