#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

ComplianceFact Read(SqlReader& row) {
  ComplianceFact fact;
  fact.device = row.OptionalIdOf<DeviceId>();
  fact.serial = row.Text();
  fact.platform = row.Enum<v1::Platform>();
  fact.device_name = row.Text();
  fact.person = row.OptionalIdOf<PersonId>();
  fact.person_handle = row.Text();
  fact.person_name = row.Text();
  fact.group = row.Text();
  fact.first_seen_at = row.OptionalTime();
  fact.last_snapshot = row.OptionalIdOf<SnapshotId>();
  fact.last_capture_at = row.OptionalTime();
  fact.last_miss_cause = row.Enum<v1::Cause>();
  fact.last_miss_at = row.OptionalTime();
  return fact;
}

// One probe of snapshot_live per device; the full join gives people without a
// device and devices without a person.
constexpr char kSelect[] =
    "SELECT d.id, coalesce(d.serial, ''), coalesce(d.platform, 0), coalesce(d.name, ''),"
    " p.id, coalesce(p.handle, ''), coalesce(p.name, ''), coalesce(p.policy_group, ''),"
    " d.first_seen_at, s.id, s.captured_at, coalesce(d.last_cause, 0),"
    " CASE WHEN d.last_cause <> 0 THEN d.last_attempt_at END"
    " FROM device d FULL JOIN person p ON p.id = d.person_id"
    " LEFT JOIN LATERAL (SELECT s.id, s.captured_at FROM snapshot s"
    "   WHERE s.device_id = d.id AND s.lineage = d.lineage AND s.deleted_at IS NULL"
    "   ORDER BY s.captured_at DESC LIMIT 1) s ON true ";

class PgComplianceQuery final : public ComplianceQuery {
 public:
  explicit PgComplianceQuery(SqlSession& sql) : sql_(sql) {}

  absl::StatusOr<std::vector<ComplianceFact>> Facts(std::string_view group) override {
    constexpr char kOrder[] = "ORDER BY 8, 6, 2";
    return ReadRows<ComplianceFact>(
        group.empty()
            ? sql_.Exec(std::string(kSelect) + kOrder)
            : sql_.Exec(std::string(kSelect) + "WHERE p.policy_group = $1 " + kOrder, group),
        Read);
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<ComplianceQuery> MakePgComplianceQuery(SqlSession& sql) {
  return std::make_unique<PgComplianceQuery>(sql);
}

}  // namespace mooring::storage
