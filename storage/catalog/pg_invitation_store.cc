#include <fmt/format.h>

#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

constexpr char kColumns[] =
    "id, secret_hash, uses_max, uses, note, created_by, created_at, expires_at, revoked_at";

InvitationRecord Read(SqlReader& row) {
  InvitationRecord record;
  record.id = row.IdOf<InvitationId>();
  record.secret_hash = row.Blob();
  record.uses_max = row.Uint32();
  record.uses = row.Uint32();
  record.note = row.Text();
  record.created_by = row.Text();
  record.created_at = row.Time();
  record.expires_at = row.Time();
  record.revoked_at = row.OptionalTime();
  return record;
}

absl::Status WhyNot(const std::optional<InvitationRecord>& record, absl::Time now) {
  if (!record.has_value()) {
    return absl::NotFoundError(
        "invitation unknown: copy the whole token, or ask for a new one"
        " (mooring agent invite create)");
  }
  if (record->revoked_at.has_value()) {
    return absl::PermissionDeniedError(
        "invitation revoked: ask for a new one (mooring agent invite create)");
  }
  if (record->expires_at <= now) {
    return absl::FailedPreconditionError(
        fmt::format("invitation expired at {}: ask for a new one (mooring agent invite create)",
                    absl::FormatTime(absl::RFC3339_sec, record->expires_at, absl::UTCTimeZone())));
  }
  return absl::ResourceExhaustedError(
      fmt::format("invitation used up ({} of {}): ask for a new one (mooring agent invite create)",
                  record->uses, record->uses_max));
}

class PgInvitationStore final : public InvitationStore {
 public:
  explicit PgInvitationStore(SqlSession& sql) : sql_(sql) {}

  absl::Status Create(const InvitationRecord& record) override {
    return sql_
        .Exec(fmt::format("INSERT INTO invitation ({}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                          kColumns),
              record.id, record.secret_hash, record.uses_max, record.uses, record.note,
              record.created_by, record.created_at, record.expires_at, record.revoked_at)
        .status();
  }

  absl::StatusOr<InvitationRecord> Use(ByteView secret_hash, absl::Time now) override {
    MOORING_ASSIGN_OR_RETURN(
        std::optional<InvitationRecord> used,
        ReadOptional<InvitationRecord>(
            sql_.Exec(fmt::format("UPDATE invitation SET uses = uses + 1 WHERE secret_hash = $1"
                                  " AND uses < uses_max AND revoked_at IS NULL AND expires_at > $2"
                                  " RETURNING {}",
                                  kColumns),
                      secret_hash, now),
            Read));
    if (used.has_value()) return *std::move(used);
    MOORING_ASSIGN_OR_RETURN(
        const std::optional<InvitationRecord> record,
        ReadOptional<InvitationRecord>(
            sql_.Exec(fmt::format("SELECT {} FROM invitation WHERE secret_hash = $1", kColumns),
                      secret_hash),
            Read));
    return WhyNot(record, now);
  }

  absl::StatusOr<std::vector<InvitationRecord>> List() override {
    return ReadRows<InvitationRecord>(
        sql_.Exec(fmt::format("SELECT {} FROM invitation ORDER BY created_at DESC, id", kColumns)),
        Read);
  }

  absl::Status Revoke(const InvitationId& id, absl::Time at) override {
    return Touched(
        sql_.Exec("UPDATE invitation SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1", id,
                  at),
        absl::NotFoundError("no such invitation"));
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<InvitationStore> MakePgInvitationStore(SqlSession& sql) {
  return std::make_unique<PgInvitationStore>(sql);
}

}  // namespace mooring::storage
