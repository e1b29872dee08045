#include <string>

#include <google/protobuf/util/message_differencer.h>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {
namespace {

class MemoryPolicyStore final : public storage::PolicyStore {
 public:
  MemoryPolicyStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::StatusOr<storage::AppliedPolicy> Apply(const v1::Policy& policy,
                                               const std::string& applied_by,
                                               absl::Time at) override {
    MOORING_STATEMENT(tx_);
    MOORING_RETURN_IF_ERROR(tx_.CheckTexts({policy.group(), applied_by}));
    MOORING_RETURN_IF_ERROR(tx_.TakeNamed(t_.policy_locks[policy.group()], true));
    const v1::StoredPolicy* const before = InForce(policy.group());
    if (before != nullptr &&
        google::protobuf::util::MessageDifferencer::Equals(before->policy(), policy)) {
      return storage::AppliedPolicy{*before, true};
    }
    v1::StoredPolicy stored;
    stored.set_version(before == nullptr ? 1 : before->version() + 1);
    *stored.mutable_policy() = policy;
    stored.set_applied_by(applied_by);
    const std::int64_t seconds = absl::ToUnixSeconds(at);
    stored.mutable_applied_at()->set_seconds(seconds);
    stored.mutable_applied_at()->set_nanos(
        static_cast<std::int32_t>(absl::ToInt64Nanoseconds(at - absl::FromUnixSeconds(seconds))));
    MOORING_RETURN_IF_ERROR(
        t_.policy.Insert(tx_, {policy.group(), stored.version()}, stored).status());
    return storage::AppliedPolicy{stored, false};
  }

  absl::StatusOr<std::optional<v1::StoredPolicy>> GetInForce(std::string_view group) override {
    MOORING_STATEMENT(tx_);
    return Copy(InForce(group));
  }

  absl::StatusOr<std::optional<v1::StoredPolicy>> GetVersion(std::string_view group,
                                                             std::uint32_t version) override {
    MOORING_STATEMENT(tx_);
    return Copy(t_.policy.Get(tx_, {std::string(group), version}));
  }

  absl::StatusOr<std::vector<v1::StoredPolicy>> ListInForce() override {
    MOORING_STATEMENT(tx_);
    std::map<std::string, const v1::StoredPolicy*> newest;
    t_.policy.ForEach(tx_, [&](const auto& key, const v1::StoredPolicy& policy) {
      newest[key.first] = &policy;
      return true;
    });
    std::vector<v1::StoredPolicy> policies;
    for (const auto& [group, policy] : newest) policies.push_back(*policy);
    return policies;
  }

 private:
  const v1::StoredPolicy* InForce(std::string_view group) {
    const v1::StoredPolicy* newest = nullptr;
    t_.policy.ForEachFrom(tx_, {std::string(group), 0},
                          [&](const auto& key, const v1::StoredPolicy& policy) {
                            if (key.first != group) return false;
                            newest = &policy;
                            return true;
                          });
    return newest;
  }

  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace

std::unique_ptr<storage::PolicyStore> MakeMemoryPolicyStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryPolicyStore>(tx, t);
}

}  // namespace mooring::testing
