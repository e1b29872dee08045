// People, agents, invitations, devices and policies.

#pragma once

#include <thread>

#include "storage/catalog/account_store.h"
#include "storage/catalog/compliance_query.h"
#include "storage/catalog/invitation_store.h"
#include "storage/catalog/organization_store.h"
#include "storage/catalog/policy_store.h"
#include "tests/contract/storage/catalog/catalog_contract.h"

namespace mooring::storage {

class FleetContract : public CatalogContract {
 protected:
  InvitationRecord AddInvitation(std::uint32_t uses_max) {
    InvitationRecord record;
    record.id = NewId<InvitationId>();
    record.secret_hash = Blob(32);
    record.uses_max = uses_max;
    record.note = "front desk";
    record.created_by = "anna";
    record.created_at = now_;
    record.expires_at = now_ + absl::Hours(24);
    Must(In([&](Transaction& tx) { return tx.invitations().Create(record); }));
    return record;
  }
  absl::StatusOr<InvitationRecord> Use(const InvitationRecord& record, absl::Time at) {
    return In([&](Transaction& tx) { return tx.invitations().Use(record.secret_hash, at); });
  }
  DeviceView View(const std::string& serial) {
    return *Must(In([&](Transaction& tx) { return tx.devices().Find(serial); }));
  }
  bool Admitted(const DeviceId& device, const AgentId& agent) {
    return Must(In([&](Transaction& tx) { return tx.devices().IsAdmitted(device, agent); }));
  }
  std::vector<ComplianceFact> Facts(std::string_view group) {
    return Must(In([&](Transaction& tx) { return tx.compliance().Facts(group); }));
  }
};

TEST_P(FleetContract, OneOrganizationAndOneRepository) {
  OrganizationRecord organization{"Example Ltd", true, now_};
  EXPECT_FALSE(Must(In([](Transaction& tx) { return tx.organization().Get(); })).has_value());
  Must(In([&](Transaction& tx) { return tx.organization().Create(organization); }));
  EXPECT_EQ(In([&](Transaction& tx) { return tx.organization().Create(organization); }).code(),
            absl::StatusCode::kAlreadyExists);
  const auto read = Must(In([](Transaction& tx) { return tx.organization().Get(); }));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->name, "Example Ltd");
  EXPECT_TRUE(read->single_admin);
  EXPECT_EQ(read->created_at, now_);

  const RepositoryRecord repository{Blob(16), now_};
  Must(In([&](Transaction& tx) { return tx.organization().CreateRepository(repository); }));
  EXPECT_EQ(
      In([&](Transaction& tx) { return tx.organization().CreateRepository(repository); }).code(),
      absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.organization().GetRepository(); }))->id,
            repository.id);
}

TEST_P(FleetContract, ApiTokensAreFoundByTheirHashUntilRevoked) {
  ApiTokenRecord token;
  token.token_hash = Blob(32);
  token.account = "anna";
  token.permissions = {v1::PERMISSION_VIEW, v1::PERMISSION_OPERATE};
  token.created_at = now_;
  token.expires_at = now_ + absl::Hours(1);
  EXPECT_EQ(In([&](Transaction& tx) { return tx.accounts().AddToken(token); }).code(),
            absl::StatusCode::kNotFound);
  Must(In([&](Transaction& tx) { return tx.accounts().Create({"anna", now_}); }));
  Must(In([&](Transaction& tx) { return tx.accounts().AddToken(token); }));

  auto found = Must(In([&](Transaction& tx) { return tx.accounts().FindToken(token.token_hash); }));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->account, "anna");
  EXPECT_EQ(found->permissions, token.permissions);
  EXPECT_EQ(found->expires_at, token.expires_at);
  EXPECT_FALSE(found->revoked_at.has_value());
  EXPECT_FALSE(
      Must(In([&](Transaction& tx) { return tx.accounts().FindToken(Blob(32)); })).has_value());

  Must(In([&](Transaction& tx) { return tx.accounts().RevokeToken(token.token_hash, now_); }));
  Must(In([&](Transaction& tx) {
    return tx.accounts().RevokeToken(token.token_hash, now_ + absl::Hours(1));
  }));
  found = Must(In([&](Transaction& tx) { return tx.accounts().FindToken(token.token_hash); }));
  EXPECT_EQ(found->revoked_at, now_);
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.accounts().ListTokens("anna"); })).size(), 1u);
}

TEST_P(FleetContract, PeopleAreListedWithTheirDevices) {
  const PersonId bert = AddPerson("bert");
  AddPerson("anna");
  Assign(AddDevice("S1", AddAgent("desk")), bert);
  const auto people = Must(In([](Transaction& tx) { return tx.people().List(); }));
  ASSERT_EQ(people.size(), 2u);
  EXPECT_EQ(people[0].person.handle, "anna");
  EXPECT_EQ(people[0].device_count, 0u);
  EXPECT_EQ(people[1].device_count, 1u);
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.people().FindByHandle("bert"); }))->id, bert);
  EXPECT_FALSE(
      Must(In([](Transaction& tx) { return tx.people().FindByHandle("carl"); })).has_value());
}

TEST_P(FleetContract, TextWithANulIsRefused) {
  PersonRecord record;
  record.id = NewId<PersonId>();
  record.handle = std::string("an\0na", 5);
  record.created_at = now_;
  EXPECT_EQ(In([&](Transaction& tx) { return tx.people().Create(record); }).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_P(FleetContract, AnInvitationIsUsedAsOftenAsItSays) {
  const InvitationRecord invitation = AddInvitation(2);
  EXPECT_EQ(Must(Use(invitation, now_)).uses, 1u);
  EXPECT_EQ(Must(Use(invitation, now_)).uses, 2u);
  const absl::Status used_up = Use(invitation, now_).status();
  EXPECT_EQ(used_up.code(), absl::StatusCode::kResourceExhausted) << used_up;
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.invitations().List(); }))[0].uses, 2u);
}

TEST_P(FleetContract, AnInvitationSaysWhyItIsRefused) {
  InvitationRecord unknown;
  unknown.secret_hash = Blob(32);
  EXPECT_EQ(Use(unknown, now_).status().code(), absl::StatusCode::kNotFound);

  const InvitationRecord expired = AddInvitation(1);
  EXPECT_EQ(Use(expired, expired.expires_at).status().code(),
            absl::StatusCode::kFailedPrecondition);

  const InvitationRecord revoked = AddInvitation(1);
  Must(In([&](Transaction& tx) { return tx.invitations().Revoke(revoked.id, now_); }));
  EXPECT_EQ(Use(revoked, now_).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_P(FleetContract, TheLastUseOfAnInvitationGoesToOneOfTwo) {
  const InvitationRecord invitation = AddInvitation(1);
  std::vector<absl::Status> results(4);
  {
    std::vector<std::jthread> callers;
    for (absl::Status& result : results) {
      callers.emplace_back([&] { result = Use(invitation, now_).status(); });
    }
  }
  EXPECT_EQ(std::count_if(results.begin(), results.end(),
                          [](const absl::Status& status) { return status.ok(); }),
            1);
}

TEST_P(FleetContract, AnAgentIsKnownByItsKeyAndThePreviousOneUntilConfirmed) {
  const AgentRecord agent = NewAgent("desk-1");
  Must(In([&](Transaction& tx) { return tx.agents().Create(agent); }));
  EXPECT_EQ(In([&](Transaction& tx) { return tx.agents().Create(agent); }).code(),
            absl::StatusCode::kAlreadyExists);
  const auto find = [&](const Bytes& key) {
    return Must(In([&](Transaction& tx) { return tx.agents().FindByKeyHash(key); }));
  };
  ASSERT_TRUE(find(agent.key_hash).has_value());
  EXPECT_EQ(find(agent.key_hash)->hpke_public_key, agent.hpke_public_key);

  const Bytes renewed = Blob(32);
  Must(In([&](Transaction& tx) {
    return tx.agents().Renew(agent.id, agent.key_hash, renewed, now_ + absl::Hours(48));
  }));
  EXPECT_TRUE(find(agent.key_hash).has_value());
  EXPECT_EQ(find(renewed)->certificate_expires_at, now_ + absl::Hours(48));
  Must(In([&](Transaction& tx) { return tx.agents().ConfirmKey(agent.id); }));
  EXPECT_FALSE(find(agent.key_hash).has_value());
  EXPECT_TRUE(find(renewed).has_value());
  EXPECT_EQ(In([&](Transaction& tx) {
              return tx.agents().Renew(agent.id, agent.key_hash, Blob(32), now_);
            }).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_P(FleetContract, ARevokedAgentKeepsItsFirstReasonAndCannotRenew) {
  const AgentRecord agent = NewAgent("desk-1");
  Must(In([&](Transaction& tx) { return tx.agents().Create(agent); }));
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.agents().Count(); })), 1u);
  Must(In([&](Transaction& tx) { return tx.agents().Revoke(agent.id, "stolen", now_); }));
  Must(In([&](Transaction& tx) {
    return tx.agents().Revoke(agent.id, "again", now_ + absl::Hours(1));
  }));
  const auto read = Must(In([&](Transaction& tx) { return tx.agents().Get(agent.id); }));
  EXPECT_EQ(read->revoked_at, now_);
  EXPECT_EQ(read->revoked_reason, "stolen");
  EXPECT_EQ(In([&](Transaction& tx) {
              return tx.agents().Renew(agent.id, agent.key_hash, Blob(32), now_);
            }).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.agents().Count(); })), 0u);
}

TEST_P(FleetContract, AgentsAreListedWithThePhonesPluggedIn) {
  const AgentId desk = AddAgent("desk-1");
  AddAgent("desk-2");
  AddDevice("S2", desk);
  AddDevice("S1", desk);
  auto agents = Must(In([](Transaction& tx) { return tx.agents().List(); }));
  ASSERT_EQ(agents.size(), 2u);
  EXPECT_EQ(agents[0].attached, (std::vector<std::string>{"S1", "S2"}));
  EXPECT_TRUE(agents[1].attached.empty());

  Must(In([&](Transaction& tx) { return tx.devices().Detach("S1", desk, now_); }));
  agents = Must(In([](Transaction& tx) { return tx.agents().List(); }));
  EXPECT_EQ(agents[0].attached, std::vector<std::string>{"S2"});
  Must(In([&](Transaction& tx) { return tx.devices().DetachAll(desk); }));
  agents = Must(In([](Transaction& tx) { return tx.agents().List(); }));
  EXPECT_TRUE(agents[0].attached.empty());
}

TEST_P(FleetContract, AttachingAgainBringsFactsUpToDateAndKeepsTheId) {
  const AgentId first = AddAgent("desk-1");
  const AgentId second = AddAgent("desk-2");
  const DeviceId id = AddDevice("S1", first);
  v1::DeviceFacts facts = CatalogContract::Facts("S1");
  facts.set_os_version("18.0");
  const DeviceRecord record = Must(In([&](Transaction& tx) {
    return tx.devices().Attach(NewId<DeviceId>(), facts, second, now_ + absl::Hours(1));
  }));
  EXPECT_EQ(record.id, id);
  EXPECT_EQ(record.os_version, "18.0");
  EXPECT_EQ(record.attached_agent, second);
  EXPECT_EQ(record.first_seen_at, now_);
  EXPECT_EQ(record.last_seen_at, now_ + absl::Hours(1));
  // The first desk's late news does not detach it from the second.
  Must(In([&](Transaction& tx) { return tx.devices().Detach("S1", first, now_); }));
  EXPECT_EQ(View("S1").device.attached_agent, second);
  EXPECT_EQ(View(id.hex()).device.serial, "S1");
}

TEST_P(FleetContract, AnotherPersonBeginsANewLineageAndVoidsAdmissions) {
  const AgentId agent = AddAgent("desk");
  const DeviceId device = AddDevice("S1", agent);
  const PersonId anna = AddPerson("anna");
  const PersonId bert = AddPerson("bert", "sales");
  EXPECT_FALSE(View("S1").device.person.has_value());
  Assign(device, anna);
  EXPECT_EQ(View("S1").device.lineage, 1u);
  Must(In([&](Transaction& tx) { return tx.devices().Admit(device, agent, "account:x", now_); }));
  Assign(device, anna);
  EXPECT_EQ(View("S1").device.lineage, 1u);
  EXPECT_TRUE(Admitted(device, agent));
  EXPECT_EQ(View("S1").admitted, std::vector<AgentId>{agent});

  Assign(device, bert);
  const DeviceView view = View("S1");
  EXPECT_EQ(view.device.lineage, 2u);
  EXPECT_EQ(view.person_handle, "bert");
  EXPECT_EQ(view.group, "sales");
  EXPECT_TRUE(view.admitted.empty());
  EXPECT_FALSE(Admitted(device, agent));

  Must(In([&](Transaction& tx) { return tx.devices().Admit(device, agent, "account:x", now_); }));
  EXPECT_TRUE(Admitted(device, agent));
  Must(In([&](Transaction& tx) { return tx.devices().Withdraw(device, agent); }));
  EXPECT_FALSE(Admitted(device, agent));
}

TEST_P(FleetContract, UnbindingEndsALineageOnce) {
  const AgentId agent = AddAgent("desk");
  const DeviceId device = AddDevice("S1", agent);
  const auto unbind = [&](const DeviceId& id) {
    return In([&](Transaction& tx) { return tx.devices().Unbind(id); });
  };
  Must(unbind(device));
  EXPECT_EQ(View("S1").device.lineage, 1u) << "it was bound to nobody";
  const PersonId anna = AddPerson("anna");
  Assign(device, anna);
  Must(In([&](Transaction& tx) { return tx.devices().Admit(device, agent, "account:x", now_); }));
  Must(unbind(device));
  EXPECT_FALSE(View("S1").device.person.has_value());
  EXPECT_EQ(View("S1").device.lineage, 2u);
  EXPECT_FALSE(Admitted(device, agent));
  Must(unbind(device));
  Assign(device, anna);
  EXPECT_EQ(View("S1").device.lineage, 2u) << "the same person begins anew, once";
  EXPECT_FALSE(Admitted(device, agent));
  EXPECT_EQ(unbind(NewId<DeviceId>()).code(), absl::StatusCode::kNotFound);
}

TEST_P(FleetContract, AssignAndAdmitNameWhatIsMissing) {
  const AgentId agent = AddAgent("desk");
  const DeviceId device = AddDevice("S1", agent);
  const auto code = [](const absl::Status& status) { return status.code(); };
  EXPECT_EQ(code(In([&](Transaction& tx) {
                   return tx.devices().Assign(device, NewId<PersonId>());
                 }).status()),
            absl::StatusCode::kNotFound);
  const PersonId anna = AddPerson("anna");
  EXPECT_EQ(code(In([&](Transaction& tx) {
                   return tx.devices().Assign(NewId<DeviceId>(), anna);
                 }).status()),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(code(In([&](Transaction& tx) {
              return tx.devices().Admit(device, NewId<AgentId>(), "x", now_);
            })),
            absl::StatusCode::kNotFound);
}

TEST_P(FleetContract, AMissIsRememberedUntilASnapshot) {
  const DeviceId device = AddDevice("S1", AddAgent("desk"));
  Must(In([&](Transaction& tx) {
    return tx.devices().RecordMiss(device, v1::CAUSE_LOCKED, "unlock the phone", now_);
  }));
  EXPECT_EQ(View("S1").device.last_cause, v1::CAUSE_LOCKED);
  EXPECT_EQ(View("S1").device.last_message, "unlock the phone");
  EXPECT_EQ(View("S1").device.last_attempt_at, now_);
  Must(In([&](Transaction& tx) { return tx.devices().RecordSuccess(device, now_); }));
  EXPECT_EQ(View("S1").device.last_cause, v1::CAUSE_UNSPECIFIED);
}

TEST_P(FleetContract, SequenceNumbersAreSpentOnce) {
  const DeviceId device = AddDevice("S1", AddAgent("desk"));
  const auto take = [&] {
    return Must(In([&](Transaction& tx) { return tx.devices().TakeSequence(device); }));
  };
  EXPECT_EQ(take(), 1u);
  EXPECT_EQ(take(), 2u);
}

TEST_P(FleetContract, DevicesOfOnePersonCanBeListed) {
  const AgentId agent = AddAgent("desk");
  const PersonId anna = AddPerson("anna");
  Assign(AddDevice("S2", agent), anna);
  AddDevice("S1", agent);
  const auto all = Must(In([](Transaction& tx) { return tx.devices().List(std::nullopt); }));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].device.serial, "S1");
  const auto hers = Must(In([&](Transaction& tx) { return tx.devices().List(anna); }));
  ASSERT_EQ(hers.size(), 1u);
  EXPECT_EQ(hers[0].device.serial, "S2");
}

TEST_P(FleetContract, APolicyGetsAVersionOnlyWhenItChanges) {
  v1::Policy policy;
  policy.set_group("default");
  policy.set_rpo("7d");
  const auto apply = [&](const std::string& by) {
    return Must(In([&](Transaction& tx) { return tx.policies().Apply(policy, by, now_); }));
  };
  const AppliedPolicy first = apply("anna");
  EXPECT_FALSE(first.unchanged);
  EXPECT_EQ(first.stored.version(), 1u);
  EXPECT_EQ(first.stored.applied_by(), "anna");
  EXPECT_EQ(first.stored.applied_at().seconds(), absl::ToUnixSeconds(now_));
  const AppliedPolicy again = apply("bert");
  EXPECT_TRUE(again.unchanged);
  EXPECT_EQ(again.stored.version(), 1u);
  EXPECT_EQ(again.stored.applied_by(), "anna");
  policy.set_rpo("1d");
  EXPECT_EQ(apply("bert").stored.version(), 2u);

  EXPECT_EQ(
      Must(In([](Transaction& tx) { return tx.policies().GetInForce("default"); }))->policy().rpo(),
      "1d");
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.policies().GetVersion("default", 1); }))
                ->policy()
                .rpo(),
            "7d");
  EXPECT_FALSE(
      Must(In([](Transaction& tx) { return tx.policies().GetInForce("sales"); })).has_value());
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.policies().ListInForce(); })).size(), 1u);
}

TEST_P(FleetContract, ComplianceFactsCoverDevicesPeopleAndTheUnassigned) {
  const AgentId agent = AddAgent("desk");
  const PersonId anna = AddPerson("anna", "sales");
  AddPerson("bert", "default");
  const DeviceId phone = AddDevice("S1", agent);
  AddDevice("S2", agent);
  Assign(phone, anna);
  AddSnapshot(NewSession(phone, anna, agent, 1));
  const SnapshotRecord newer =
      AddSnapshot(NewSession(phone, anna, agent, 2),
                  [this](SnapshotRecord& record) { record.captured_at = now_ + absl::Hours(1); });
  const SnapshotRecord deleted =
      AddSnapshot(NewSession(phone, anna, agent, 3),
                  [this](SnapshotRecord& record) { record.captured_at = now_ + absl::Hours(2); });
  Must(In([&](Transaction& tx) { return tx.snapshots().MarkDeleted(deleted.id, now_); }));
  Must(In([&](Transaction& tx) {
    return tx.devices().RecordMiss(phone, v1::CAUSE_UNPLUGGED, "", now_ + absl::Hours(3));
  }));

  const std::vector<ComplianceFact> facts = Facts("");
  ASSERT_EQ(facts.size(), 3u);
  EXPECT_EQ(facts[0].serial, "S2");  // Bound to nobody.
  EXPECT_FALSE(facts[0].person.has_value());
  EXPECT_EQ(facts[1].person_handle, "bert");  // Without a device.
  EXPECT_FALSE(facts[1].device.has_value());
  EXPECT_EQ(facts[2].device, phone);
  EXPECT_EQ(facts[2].group, "sales");
  EXPECT_EQ(facts[2].platform, v1::PLATFORM_IOS);
  EXPECT_EQ(facts[2].last_snapshot, newer.id);
  EXPECT_EQ(facts[2].last_capture_at, newer.captured_at);
  EXPECT_EQ(facts[2].last_miss_cause, v1::CAUSE_UNPLUGGED);
  EXPECT_EQ(facts[2].last_miss_at, now_ + absl::Hours(3));

  const std::vector<ComplianceFact> sales = Facts("sales");
  ASSERT_EQ(sales.size(), 1u);
  EXPECT_EQ(sales[0].device, phone);
}

TEST_P(FleetContract, ComplianceForgetsTheSnapshotsOfAnEarlierOwner) {
  const AgentId agent = AddAgent("desk");
  const PersonId anna = AddPerson("anna");
  const DeviceId phone = AddDevice("S1", agent);
  Assign(phone, anna);
  AddSnapshot(NewSession(phone, anna, agent, 1));
  Assign(phone, AddPerson("bert"));
  for (const ComplianceFact& fact : Facts("")) EXPECT_FALSE(fact.last_snapshot.has_value());
  EXPECT_EQ(View("S1").snapshot_count, 0u);
}

}  // namespace mooring::storage
