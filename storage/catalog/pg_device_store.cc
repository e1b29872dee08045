#include <fmt/format.h>

#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

constexpr char kColumns[] =
    "d.id, d.platform, d.serial, d.name, d.model, d.os_version, d.phone_encrypts, d.person_id,"
    " d.lineage, d.first_seen_at, d.last_seen_at, d.attached_agent_id, d.next_sequence,"
    " d.last_attempt_at, d.last_cause, d.last_message, d.facts";

// With what DeviceView joins. The lateral part reads one index range per device.
constexpr char kViewFrom[] =
    " coalesce(p.handle, ''), coalesce(p.name, ''), coalesce(p.policy_group, ''),"
    " s.snapshots, s.last_snapshot_at, s.last_capture_at,"
    " array(SELECT a.agent_id FROM admission a WHERE a.device_id = d.id"
    "       AND a.lineage = d.lineage ORDER BY a.admitted_at, a.agent_id)"
    " FROM device d LEFT JOIN person p ON p.id = d.person_id"
    " CROSS JOIN LATERAL (SELECT count(*) AS snapshots, max(created_at) AS last_snapshot_at,"
    "   max(captured_at) AS last_capture_at FROM snapshot s"
    "   WHERE s.device_id = d.id AND s.lineage = d.lineage AND s.deleted_at IS NULL) s ";

DeviceRecord Read(SqlReader& row) {
  DeviceRecord record;
  record.id = row.IdOf<DeviceId>();
  record.platform = row.Enum<v1::Platform>();
  record.serial = row.Text();
  record.name = row.Text();
  record.model = row.Text();
  record.os_version = row.Text();
  record.phone_encrypts = row.Bool();
  record.person = row.OptionalIdOf<PersonId>();
  record.lineage = row.Uint32();
  record.first_seen_at = row.Time();
  record.last_seen_at = row.Time();
  record.attached_agent = row.OptionalIdOf<AgentId>();
  record.next_sequence = row.Uint64();
  record.last_attempt_at = row.OptionalTime();
  record.last_cause = row.Enum<v1::Cause>();
  record.last_message = row.Text();
  record.facts = row.Message<v1::DeviceFacts>();
  return record;
}

DeviceView ReadView(SqlReader& row) {
  DeviceView view;
  view.device = Read(row);
  view.person_handle = row.Text();
  view.person_name = row.Text();
  view.group = row.Text();
  view.snapshot_count = row.Uint32();
  view.last_snapshot_at = row.OptionalTime();
  view.last_capture_at = row.OptionalTime();
  for (const Bytes& bytes : row.BlobArray()) {
    const std::optional<AgentId> agent = AgentId::FromBytes(ByteView(bytes));
    if (!agent.has_value()) row.Fail("an id of another length");
    view.admitted.push_back(agent.value_or(AgentId()));
  }
  return view;
}

absl::Status NoSuchDevice() {
  return absl::NotFoundError("no such device");
}

class PgDeviceStore final : public DeviceStore {
 public:
  explicit PgDeviceStore(SqlSession& sql) : sql_(sql) {}

  absl::StatusOr<DeviceRecord> Attach(const DeviceId& new_id, const v1::DeviceFacts& facts,
                                      const AgentId& agent, absl::Time now) override {
    MOORING_ASSIGN_OR_RETURN(
        const std::optional<DeviceRecord> record,
        ReadOptional<DeviceRecord>(
            sql_.Exec(
                fmt::format("INSERT INTO device AS d (id, platform, serial, name, model,"
                            " os_version, phone_encrypts, first_seen_at, last_seen_at,"
                            " attached_agent_id, facts)"
                            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10)"
                            " ON CONFLICT (serial) DO UPDATE SET platform = $2, name = $4,"
                            " model = $5, os_version = $6, phone_encrypts = $7,"
                            " last_seen_at = $8, attached_agent_id = $9, facts = $10 RETURNING {}",
                            kColumns),
                new_id, facts.platform(), facts.serial(), facts.name(), facts.model(),
                facts.os_version(), facts.phone_encrypts(), now, agent,
                AsBytes(facts.SerializeAsString())),
            Read));
    if (!record.has_value()) return absl::InternalError("the device just noted is not there");
    return *record;
  }

  absl::Status Detach(std::string_view serial, const AgentId& agent, absl::Time now) override {
    return sql_
        .Exec(
            "UPDATE device SET attached_agent_id = NULL, last_seen_at = $3"
            " WHERE serial = $1 AND attached_agent_id = $2",
            serial, agent, now)
        .status();
  }

  absl::Status DetachAll(const AgentId& agent) override {
    return sql_
        .Exec("UPDATE device SET attached_agent_id = NULL WHERE attached_agent_id = $1", agent)
        .status();
  }

  absl::StatusOr<std::optional<DeviceRecord>> Get(const DeviceId& id, RowLock lock) override {
    return ReadOptional<DeviceRecord>(
        sql_.Exec(fmt::format("SELECT {} FROM device d WHERE d.id = $1{}", kColumns,
                              LockClause(lock, "d")),
                  id),
        Read);
  }

  absl::StatusOr<std::optional<DeviceRecord>> FindBySerial(std::string_view serial) override {
    return ReadOptional<DeviceRecord>(
        sql_.Exec(fmt::format("SELECT {} FROM device d WHERE d.serial = $1", kColumns), serial),
        Read);
  }

  absl::StatusOr<std::optional<DeviceView>> Find(std::string_view name) override {
    const std::optional<DeviceId> id = DeviceId::FromHex(name);
    // A serial wins over another device's id that reads the same.
    return ReadOptional<DeviceView>(
        sql_.Exec(fmt::format("SELECT {},{} WHERE d.serial = $1 OR d.id = $2"
                              " ORDER BY d.serial = $1 DESC LIMIT 1",
                              kColumns, kViewFrom),
                  name, id),
        ReadView);
  }

  absl::StatusOr<std::vector<DeviceView>> List(const std::optional<PersonId>& person) override {
    const std::string select = fmt::format("SELECT {},{}", kColumns, kViewFrom);
    return ReadRows<DeviceView>(
        person.has_value() ? sql_.Exec(select + "WHERE d.person_id = $1 ORDER BY d.serial", *person)
                           : sql_.Exec(select + "ORDER BY d.serial"),
        ReadView);
  }

  absl::StatusOr<std::uint64_t> Count() override {
    return ReadCount(sql_.Exec("SELECT count(*) FROM device"));
  }

  absl::StatusOr<DeviceRecord> Assign(const DeviceId& id, const PersonId& person) override {
    MOORING_ASSIGN_OR_RETURN(const SqlResult people,
                             sql_.Exec("SELECT 1 FROM person WHERE id = $1 FOR SHARE", person));
    if (people.empty()) return absl::NotFoundError("no such person");
    MOORING_ASSIGN_OR_RETURN(
        const std::optional<DeviceRecord> record,
        ReadOptional<DeviceRecord>(
            sql_.Exec(fmt::format("UPDATE device d SET person_id = $2, lineage = CASE"
                                  " WHEN d.person_id IS NULL OR d.person_id = $2 THEN d.lineage"
                                  " ELSE d.lineage + 1 END WHERE d.id = $1 RETURNING {}",
                                  kColumns),
                      id, person),
            Read));
    if (!record.has_value()) return NoSuchDevice();
    return *record;
  }

  absl::Status Unbind(const DeviceId& id) override {
    return Touched(sql_.Exec("UPDATE device SET person_id = NULL, lineage = CASE"
                             " WHEN person_id IS NULL THEN lineage ELSE lineage + 1 END"
                             " WHERE id = $1",
                             id),
                   NoSuchDevice());
  }

  absl::Status Admit(const DeviceId& id, const AgentId& agent, const std::string& admitted_by,
                     absl::Time at) override {
    return Touched(
        sql_.Exec("INSERT INTO admission (device_id, agent_id, lineage, admitted_by, admitted_at)"
                  " SELECT d.id, a.id, d.lineage, $3, $4 FROM device d, agent a"
                  " WHERE d.id = $1 AND a.id = $2"
                  " ON CONFLICT (device_id, agent_id) DO UPDATE SET lineage = excluded.lineage,"
                  " admitted_by = excluded.admitted_by, admitted_at = excluded.admitted_at",
                  id, agent, admitted_by, at),
        absl::NotFoundError("no such device or agent"));
  }

  absl::Status Withdraw(const DeviceId& id, const AgentId& agent) override {
    return sql_.Exec("DELETE FROM admission WHERE device_id = $1 AND agent_id = $2", id, agent)
        .status();
  }

  absl::StatusOr<bool> IsAdmitted(const DeviceId& id, const AgentId& agent) override {
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult result,
        sql_.Exec("SELECT 1 FROM admission a JOIN device d ON d.id = a.device_id"
                  " WHERE a.device_id = $1 AND a.agent_id = $2 AND a.lineage = d.lineage",
                  id, agent));
    return !result.empty();
  }

  absl::Status RecordMiss(const DeviceId& id, v1::Cause cause, const std::string& message,
                          absl::Time at) override {
    return Touched(sql_.Exec("UPDATE device SET last_attempt_at = $4, last_cause = $2,"
                             " last_message = $3 WHERE id = $1",
                             id, cause, message, at),
                   NoSuchDevice());
  }

  absl::Status RecordSuccess(const DeviceId& id, absl::Time at) override {
    return RecordMiss(id, v1::CAUSE_UNSPECIFIED, "", at);
  }

  absl::StatusOr<std::uint64_t> TakeSequence(const DeviceId& id) override {
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult result,
        sql_.Exec("UPDATE device SET next_sequence = next_sequence + 1 WHERE id = $1"
                  " RETURNING next_sequence - 1",
                  id));
    if (result.empty()) return NoSuchDevice();
    SqlReader row(result, 0);
    const std::uint64_t sequence = row.Uint64();
    MOORING_RETURN_IF_ERROR(row.status());
    return sequence;
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<DeviceStore> MakePgDeviceStore(SqlSession& sql) {
  return std::make_unique<PgDeviceStore>(sql);
}

}  // namespace mooring::storage
