#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

// The same document always gives the same bytes, so that bytes can be compared.
std::string Serialize(const v1::Policy& policy) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    policy.SerializeToCodedStream(&coded);
  }
  return bytes;
}

v1::StoredPolicy Read(SqlReader& row) {
  v1::StoredPolicy stored;
  stored.set_version(row.Uint32());
  *stored.mutable_policy() = row.Message<v1::Policy>();
  stored.set_applied_by(row.Text());
  const absl::Time at = row.Time();
  const std::int64_t seconds = absl::ToUnixSeconds(at);
  stored.mutable_applied_at()->set_seconds(seconds);
  stored.mutable_applied_at()->set_nanos(
      static_cast<std::int32_t>(absl::ToInt64Nanoseconds(at - absl::FromUnixSeconds(seconds))));
  return stored;
}

class PgPolicyStore final : public PolicyStore {
 public:
  explicit PgPolicyStore(SqlSession& sql) : sql_(sql) {}

  absl::StatusOr<AppliedPolicy> Apply(const v1::Policy& policy, const std::string& applied_by,
                                      absl::Time at) override {
    // One writer a group, also where the group has no row to lock yet.
    MOORING_RETURN_IF_ERROR(
        sql_.Exec("SELECT pg_advisory_xact_lock(1297043283, hashtext($1))", policy.group())
            .status());
    MOORING_ASSIGN_OR_RETURN(const std::optional<v1::StoredPolicy> in_force,
                             GetInForce(policy.group()));
    const std::string document = Serialize(policy);
    if (in_force.has_value() && Serialize(in_force->policy()) == document) {
      return AppliedPolicy{*in_force, true};
    }
    const std::uint32_t version = in_force.has_value() ? in_force->version() + 1 : 1;
    MOORING_RETURN_IF_ERROR(
        sql_.Exec("INSERT INTO policy (policy_group, version, document, applied_by, applied_at)"
                  " VALUES ($1, $2, $3, $4, $5)",
                  policy.group(), version, AsBytes(document), applied_by, at)
            .status());
    MOORING_ASSIGN_OR_RETURN(const std::optional<v1::StoredPolicy> stored,
                             GetVersion(policy.group(), version));
    if (!stored.has_value()) return absl::InternalError("the policy just applied is not there");
    return AppliedPolicy{*stored, false};
  }

  absl::StatusOr<std::optional<v1::StoredPolicy>> GetInForce(std::string_view group) override {
    return ReadOptional<v1::StoredPolicy>(
        sql_.Exec("SELECT version, document, applied_by, applied_at FROM policy"
                  " WHERE policy_group = $1 ORDER BY version DESC LIMIT 1",
                  group),
        Read);
  }

  absl::StatusOr<std::optional<v1::StoredPolicy>> GetVersion(std::string_view group,
                                                             std::uint32_t version) override {
    return ReadOptional<v1::StoredPolicy>(
        sql_.Exec("SELECT version, document, applied_by, applied_at FROM policy"
                  " WHERE policy_group = $1 AND version = $2",
                  group, version),
        Read);
  }

  absl::StatusOr<std::vector<v1::StoredPolicy>> ListInForce() override {
    return ReadRows<v1::StoredPolicy>(
        sql_.Exec("SELECT DISTINCT ON (policy_group) version, document, applied_by, applied_at"
                  " FROM policy ORDER BY policy_group, version DESC"),
        Read);
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<PolicyStore> MakePgPolicyStore(SqlSession& sql) {
  return std::make_unique<PgPolicyStore>(sql);
}

}  // namespace mooring::storage
