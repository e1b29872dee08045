#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

constexpr char kSelect[] =
    "SELECT a.id, a.hostname, a.version, a.os, a.protocol_version, a.hpke_public_key, a.key_hash,"
    " a.previous_key_hash, a.certificate_expires_at, a.enrolled_at, a.last_seen_at, a.revoked_at,"
    " a.revoked_reason";

AgentRecord Read(SqlReader& row) {
  AgentRecord record;
  record.id = row.IdOf<AgentId>();
  record.hostname = row.Text();
  record.version = row.Text();
  record.os = row.Text();
  record.protocol_version = row.Uint32();
  record.hpke_public_key = row.Blob();
  record.key_hash = row.Blob();
  record.previous_key_hash = row.Blob();
  record.certificate_expires_at = row.Time();
  record.enrolled_at = row.Time();
  record.last_seen_at = row.OptionalTime();
  record.revoked_at = row.OptionalTime();
  record.revoked_reason = row.Text();
  return record;
}

absl::Status NoSuchAgent() {
  return absl::NotFoundError("no such agent");
}

class PgAgentStore final : public AgentStore {
 public:
  explicit PgAgentStore(SqlSession& sql) : sql_(sql) {}

  absl::Status Create(const AgentRecord& record) override {
    return Touched(
        sql_.Exec("INSERT INTO agent (id, hostname, version, os, protocol_version,"
                  " hpke_public_key, key_hash, previous_key_hash, certificate_expires_at,"
                  " enrolled_at, last_seen_at, revoked_at, revoked_reason)"
                  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
                  " ON CONFLICT DO NOTHING",
                  record.id, record.hostname, record.version, record.os, record.protocol_version,
                  record.hpke_public_key, record.key_hash, NullIfEmpty(record.previous_key_hash),
                  record.certificate_expires_at, record.enrolled_at, record.last_seen_at,
                  record.revoked_at, record.revoked_reason),
        absl::AlreadyExistsError("an agent with this id or key exists"));
  }

  absl::StatusOr<std::optional<AgentRecord>> Get(const AgentId& id) override {
    return ReadOptional<AgentRecord>(
        sql_.Exec(std::string(kSelect) + " FROM agent a WHERE a.id = $1", id), Read);
  }

  absl::StatusOr<std::optional<AgentRecord>> FindByKeyHash(ByteView key_hash) override {
    return ReadOptional<AgentRecord>(
        sql_.Exec(std::string(kSelect) +
                      " FROM agent a WHERE a.key_hash = $1 OR a.previous_key_hash = $1"
                      " ORDER BY a.key_hash = $1 DESC LIMIT 1",
                  key_hash),
        Read);
  }

  absl::StatusOr<std::vector<AgentView>> List() override {
    MOORING_ASSIGN_OR_RETURN(
        std::vector<AgentView> views,
        ReadRows<AgentView>(
            sql_.Exec(std::string(kSelect) + " FROM agent a ORDER BY a.hostname, a.id"),
            [](SqlReader& row) {
              return AgentView{Read(row), {}};
            }));
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult attached,
        sql_.Exec("SELECT a.id, d.serial FROM agent a JOIN device d ON d.attached_agent_id = a.id"
                  " ORDER BY a.hostname, a.id, d.serial"));
    // Both are in the agents' order: one pass merges them.
    auto view = views.begin();
    for (int i = 0; i < attached.size(); ++i) {
      SqlReader row(attached, i);
      const AgentId id = row.IdOf<AgentId>();
      const std::string serial = row.Text();
      MOORING_RETURN_IF_ERROR(row.status());
      while (view != views.end() && view->agent.id != id) ++view;
      if (view == views.end()) break;  // Enrolled between the two statements.
      view->attached.push_back(serial);
    }
    return views;
  }

  absl::Status SetHello(const AgentId& id, const AgentHelloFacts& facts, absl::Time at) override {
    return Touched(
        sql_.Exec("UPDATE agent SET hostname = $2, version = $3, os = $4, protocol_version = $5,"
                  " last_seen_at = $6 WHERE id = $1",
                  id, facts.hostname, facts.version, facts.os, facts.protocol_version, at),
        NoSuchAgent());
  }

  absl::Status Touch(const AgentId& id, absl::Time at) override {
    return Touched(sql_.Exec("UPDATE agent SET last_seen_at = $2 WHERE id = $1", id, at),
                   NoSuchAgent());
  }

  absl::Status Renew(const AgentId& id, ByteView used_key_hash, ByteView new_key_hash,
                     absl::Time certificate_expires_at) override {
    return Touched(sql_.Exec("UPDATE agent SET previous_key_hash = $2, key_hash = $3,"
                             " certificate_expires_at = $4"
                             " WHERE id = $1 AND revoked_at IS NULL"
                             " AND (key_hash = $2 OR previous_key_hash = $2)",
                             id, used_key_hash, new_key_hash, certificate_expires_at),
                   absl::FailedPreconditionError(
                       "the agent is revoked, or its key is no longer accepted: enroll it again"));
  }

  absl::Status ConfirmKey(const AgentId& id) override {
    return Touched(sql_.Exec("UPDATE agent SET previous_key_hash = NULL WHERE id = $1", id),
                   NoSuchAgent());
  }

  absl::Status Revoke(const AgentId& id, const std::string& reason, absl::Time at) override {
    return Touched(
        sql_.Exec("UPDATE agent SET revoked_at = coalesce(revoked_at, $3), revoked_reason ="
                  " CASE WHEN revoked_at IS NULL THEN $2 ELSE revoked_reason END WHERE id = $1",
                  id, reason, at),
        NoSuchAgent());
  }

  absl::StatusOr<std::uint64_t> Count() override {
    return ReadCount(sql_.Exec("SELECT count(*) FROM agent WHERE revoked_at IS NULL"));
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<AgentStore> MakePgAgentStore(SqlSession& sql) {
  return std::make_unique<PgAgentStore>(sql);
}

}  // namespace mooring::storage
