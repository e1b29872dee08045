#include "storage/catalog/pg_transaction.h"

#include "storage/base/check.h"
#include "storage/base/status.h"

namespace mooring::storage {

PgTransaction::PgTransaction(SqlSession& sql)
    : sql_(sql),
      organization_(MakePgOrganizationStore(sql)),
      accounts_(MakePgAccountStore(sql)),
      people_(MakePgPersonStore(sql)),
      invitations_(MakePgInvitationStore(sql)),
      agents_(MakePgAgentStore(sql)),
      devices_(MakePgDeviceStore(sql)),
      policies_(MakePgPolicyStore(sql)),
      requests_(MakePgRequestStore(sql)),
      keys_(MakePgKeyStore(sql)),
      sessions_(MakePgSessionStore(sql)),
      packs_(MakePgPackStore(sql)),
      chunks_(MakePgChunkIndex(sql)),
      snapshots_(MakePgSnapshotStore(sql)),
      compliance_(MakePgComplianceQuery(sql)),
      care_(MakePgCareStore(sql)),
      drills_(MakePgDrillStore(sql)),
      collection_(MakePgCollectionStore(sql)),
      holds_(MakePgHoldStore(sql)),
      prunes_(MakePgPruneStore(sql)),
      servers_(MakePgServerStore(sql)) {}

absl::Status PgTransaction::Audit(const AuditRecord& record) {
  return sql_
      .Exec(
          "INSERT INTO audit (at, actor, action, subject, detail)"
          " VALUES ($1, $2, $3, $4, $5::jsonb)",
          record.at, record.actor, record.action, record.subject, record.detail_json)
      .status();
}

absl::StatusOr<std::vector<NumberedAuditRecord>> PgTransaction::AuditSince(std::int64_t after,
                                                                           int limit) {
  MOORING_ASSIGN_OR_RETURN(const SqlResult result,
                           sql_.Exec("SELECT seq, at, actor, action, subject, detail FROM audit"
                                     " WHERE seq > $1 ORDER BY seq LIMIT $2",
                                     after, limit));
  std::vector<NumberedAuditRecord> records;
  for (int i = 0; i < result.size(); ++i) {
    SqlReader row(result, i);
    NumberedAuditRecord& record = records.emplace_back();
    record.no = row.Int64();
    record.record.at = row.Time();
    record.record.actor = row.Text();
    record.record.action = row.Text();
    record.record.subject = row.Text();
    record.record.detail_json = row.Text();
    MOORING_RETURN_IF_ERROR(row.status());
  }
  return records;
}

absl::Status PgTransaction::Lock(std::string_view statement) {
  // Anything before it could have read rows that the lock is meant to hold still.
  MOORING_CHECK(sql_.statements() == 0);
  return sql_.Exec(statement).status();
}

// One key for the repository: "MOOR" in ASCII.
absl::Status PgTransaction::LockRepositoryShared() {
  return Lock("SELECT pg_advisory_xact_lock_shared(1297043282)");
}

absl::Status PgTransaction::LockRepositoryExclusive() {
  return Lock("SELECT pg_advisory_xact_lock(1297043282)");
}

}  // namespace mooring::storage
