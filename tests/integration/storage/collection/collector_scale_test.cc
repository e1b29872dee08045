// A round over many chunks and references: it ends with the right figures, and
// the log says how long each part took. MOORING_SCALE_CHUNKS=1000000 for more.

#include <cstdlib>

#include <fmt/format.h>

#include "storage/catalog/sql.h"
#include "storage/collection/mark.h"
#include "storage/repository/chunk_set.h"
#include "tests/integration/storage/collection/collector_fixture.h"

namespace mooring::testing {
namespace {

constexpr std::uint64_t kChunksAPack = 30;
constexpr int kSnapshots = 50;

class CollectorScaleTest : public CollectorTest {
 protected:
  void Script(const std::string& statements) {
    auto sql = storage::SqlSession::Connect(url());
    ASSERT_TRUE(sql.ok()) << sql.status();
    const absl::Status status = (*sql)->ExecScript(statements);
    ASSERT_TRUE(status.ok()) << status;
  }

  // Snapshot `n` references a third of the chunks, every second run of 20.
  static storage::ChunkSet RefsOf(std::uint64_t n, std::uint64_t first, std::uint64_t count) {
    storage::ChunkSet refs;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t run = i / 20;
      if ((run * 2654435761U >> 7) % 3 == n % 3 && i % 4 != 0) refs.Add(first + i);
    }
    return refs;
  }
};

TEST_F(CollectorScaleTest, ARoundOverManyChunks) {
  const char* const wanted = std::getenv("MOORING_SCALE_CHUNKS");
  const std::uint64_t count = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 60'000;
  options_ = WithoutCompaction(options_);
  BackUp(phone_, desk_, FilesOf(1));  // Makes people, domains and a session to copy.
  Script(fmt::format(
      "INSERT INTO pack (id, state, bytes, sha256, created_at)"
      " SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 2, 1, decode(repeat('00', 32), 'hex'),"
      " now() - interval '30 days' FROM generate_series(1, {0}) n;"
      "INSERT INTO chunk (domain_no, id, pack_no, pack_offset, bytes, state)"
      " SELECT 1, sha256(n::text::bytea), (SELECT max(no) FROM pack) - {0} + 1 + n / {1}, 64, 1000,"
      " 1 FROM generate_series(0, {2}) n ORDER BY n; ANALYZE",
      (count + kChunksAPack - 1) / kChunksAPack, kChunksAPack, count - 1));
  for (std::uint64_t n = 1; n <= (count + kChunksAPack - 1) / kChunksAPack; ++n) {
    const PackId id = *PackId::FromHex(fmt::format("{:032x}", n));
    ASSERT_TRUE(memory_.Put({}, storage::PackObjectKey(id), Bytes(1), {}).ok());
  }
  const auto first_rows = Read<std::vector<storage::ChunkRow>>(
      [&](storage::Transaction& tx) { return tx.chunks().Scan(0, 1000); });
  std::uint64_t first = 0;
  for (const storage::ChunkRow& row : first_rows) {
    if (row.bytes == 1000 && first == 0) first = row.no;
  }
  auto sql = storage::SqlSession::Connect(url());
  ASSERT_TRUE(sql.ok());
  std::uint64_t references = 0;
  storage::ChunkSet all;
  for (int n = 0; n < kSnapshots; ++n) {
    const storage::ChunkSet refs = RefsOf(static_cast<std::uint64_t>(n % 2), first, count);
    references += refs.size();
    all.UnionWith(refs);
    const std::string id = fmt::format("decode(lpad(to_hex({}), 32, '0'), 'hex')", n + 1000);
    Script(fmt::format(
        "INSERT INTO session SELECT {0}, {0}, device_id, person_id, lineage, agent_id, {0},"
        " sequence + {1}, base_snapshot_id, state, captures, wrapped_snapshot_key, started_at,"
        " lease_until, ended_at, cause, message, progress, read_bytes, new_bytes, commit_key,"
        " receipt FROM session WHERE sequence = 1 LIMIT 1",
        id, n + 100));
    const auto made = (*sql)->Exec(
        fmt::format("INSERT INTO snapshot (id, device_id, person_id, lineage, sequence, session_id,"
                    " created_at, captured_at, file_count, logical_bytes, read_bytes, new_bytes,"
                    " referenced_bytes, chunk_count, root, root_hash, captures, device_facts, refs,"
                    " base_ids) SELECT {0}, device_id, person_id, lineage, sequence + {1}, {0},"
                    " created_at, captured_at, file_count, logical_bytes, read_bytes, new_bytes,"
                    " referenced_bytes, chunk_count, root, root_hash, captures, device_facts, $1,"
                    " base_ids FROM snapshot WHERE sequence = 1 LIMIT 1",
                    id, n + 100),
        refs.Serialize());
    ASSERT_TRUE(made.ok()) << made.status();
  }
  SystemClock watch;
  const absl::Duration start = watch.Monotonic();
  const auto mark = storage::ReadMark({}, *parts_, 1'000'000,
                                      [](std::string_view, std::uint64_t, std::uint64_t) {});
  const absl::Duration marked = watch.Monotonic() - start;
  ASSERT_TRUE(mark.ok()) << mark.status();
  EXPECT_GE(mark->references, references);
  const absl::Duration begun = watch.Monotonic();
  const v1::CollectionReport report = Collect();
  fmt::print("{} chunks, {} references: mark {} ({:.2f} ns a reference), round {}\n", count,
             mark->references, absl::FormatDuration(marked),
             absl::ToDoubleNanoseconds(marked) / static_cast<double>(mark->references),
             absl::FormatDuration(watch.Monotonic() - begun));
  EXPECT_EQ(report.condemned().chunks(), count - all.size());
  EXPECT_EQ(report.snapshots(), static_cast<std::uint64_t>(kSnapshots) + 1);
}

}  // namespace
}  // namespace mooring::testing
