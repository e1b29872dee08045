#include <algorithm>
#include <tuple>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {
namespace {

using storage::AgentRecord;
using storage::AgentView;

absl::Status Known(bool known) {
  return known ? absl::OkStatus() : absl::NotFoundError("no such agent");
}

class MemoryAgentStore final : public storage::AgentStore {
 public:
  MemoryAgentStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::Status Create(const AgentRecord& record) override {
    MOORING_STATEMENT(tx_);
    MOORING_RETURN_IF_ERROR(
        tx_.CheckTexts({record.hostname, record.version, record.os, record.revoked_reason}));
    if (record.hpke_public_key.size() != 32) return tx_.Fail(Violates("hpke_public_key"));
    const absl::Status exists = absl::AlreadyExistsError("an agent with this id or key exists");
    MOORING_ASSIGN_OR_RETURN(const bool id_taken, t_.agent.IsTaken(tx_, record.id));
    if (id_taken) return exists;
    MOORING_ASSIGN_OR_RETURN(const bool key_free,
                             t_.agent_key.Insert(tx_, record.key_hash, record.id));
    if (!key_free) return exists;
    return t_.agent.Insert(tx_, record.id, record).status();
  }

  absl::StatusOr<std::optional<AgentRecord>> Get(const AgentId& id) override {
    MOORING_STATEMENT(tx_);
    return Copy(t_.agent.Get(tx_, id));
  }

  absl::StatusOr<std::optional<AgentRecord>> FindByKeyHash(ByteView key_hash) override {
    MOORING_STATEMENT(tx_);
    const Bytes key = Owned(key_hash);
    const AgentId* const id = t_.agent_key.Get(tx_, key);
    if (id != nullptr) return Copy(t_.agent.Get(tx_, *id));
    const AgentRecord* found = nullptr;
    t_.agent.ForEach(tx_, [&](const AgentId&, const AgentRecord& agent) {
      if (agent.previous_key_hash == key) found = &agent;
      return found == nullptr;
    });
    return Copy(found);
  }

  absl::StatusOr<std::vector<AgentView>> List() override {
    MOORING_STATEMENT(tx_);
    std::map<AgentId, std::vector<std::string>> attached;
    t_.device_serial.ForEach(tx_, [&](const std::string& serial, const DeviceId& id) {
      const storage::DeviceRecord* const device = t_.device.Get(tx_, id);
      if (device != nullptr && device->attached_agent) {
        attached[*device->attached_agent].push_back(serial);
      }
      return true;
    });
    std::vector<AgentView> views;
    t_.agent.ForEach(tx_, [&](const AgentId& id, const AgentRecord& agent) {
      views.push_back({agent, attached[id]});
      return true;
    });
    std::sort(views.begin(), views.end(), [](const AgentView& a, const AgentView& b) {
      return std::tie(a.agent.hostname, a.agent.id) < std::tie(b.agent.hostname, b.agent.id);
    });
    return views;
  }

  absl::Status SetHello(const AgentId& id, const storage::AgentHelloFacts& facts,
                        absl::Time at) override {
    MOORING_STATEMENT(tx_);
    MOORING_RETURN_IF_ERROR(tx_.CheckTexts({facts.hostname, facts.version, facts.os}));
    MOORING_ASSIGN_OR_RETURN(const bool done,
                             t_.agent.LockAndUpdate(tx_, id, [&](AgentRecord& row) {
                               row.hostname = facts.hostname;
                               row.version = facts.version;
                               row.os = facts.os;
                               row.protocol_version = facts.protocol_version;
                               row.last_seen_at = at;
                             }));
    return Known(done);
  }

  absl::Status Touch(const AgentId& id, absl::Time at) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(
        const bool done,
        t_.agent.LockAndUpdate(tx_, id, [at](AgentRecord& row) { row.last_seen_at = at; }));
    return Known(done);
  }

  absl::Status Renew(const AgentId& id, ByteView used_key_hash, ByteView new_key_hash,
                     absl::Time certificate_expires_at) override {
    MOORING_STATEMENT(tx_);
    const Bytes used = Owned(used_key_hash);
    const Bytes renewed = Owned(new_key_hash);
    MOORING_ASSIGN_OR_RETURN(const AgentRecord* const row,
                             t_.agent.Lock(tx_, id, storage::RowLock::kExclusive));
    if (row == nullptr || row->revoked_at ||
        (row->key_hash != used && row->previous_key_hash != used)) {
      return absl::FailedPreconditionError("the agent is revoked, or its key is not accepted");
    }
    if (row->key_hash != renewed) {
      MOORING_RETURN_IF_ERROR(t_.agent_key.Erase(tx_, row->key_hash).status());
      MOORING_ASSIGN_OR_RETURN(const bool is_free, t_.agent_key.Insert(tx_, renewed, id));
      if (!is_free) return tx_.Fail(Duplicate("agent"));
    }
    t_.agent.Update(tx_, id, [&](AgentRecord& agent) {
      agent.previous_key_hash = used;
      agent.key_hash = renewed;
      agent.certificate_expires_at = certificate_expires_at;
    });
    return absl::OkStatus();
  }

  absl::Status ConfirmKey(const AgentId& id) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(const bool done, t_.agent.LockAndUpdate(tx_, id, [](AgentRecord& row) {
      row.previous_key_hash.clear();
    }));
    return Known(done);
  }

  absl::Status Revoke(const AgentId& id, const std::string& reason, absl::Time at) override {
    MOORING_STATEMENT(tx_);
    MOORING_RETURN_IF_ERROR(tx_.CheckTexts({reason}));
    MOORING_ASSIGN_OR_RETURN(const bool done,
                             t_.agent.LockAndUpdate(tx_, id, [&](AgentRecord& row) {
                               if (row.revoked_at) return;
                               row.revoked_at = at;
                               row.revoked_reason = reason;
                             }));
    return Known(done);
  }

  absl::StatusOr<std::uint64_t> Count() override {
    MOORING_STATEMENT(tx_);
    return CountOf(tx_, t_.agent, [](const AgentRecord& agent) { return !agent.revoked_at; });
  }

 private:
  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace

std::unique_ptr<storage::AgentStore> MakeMemoryAgentStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryAgentStore>(tx, t);
}

}  // namespace mooring::testing
