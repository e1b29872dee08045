// Requests, grants and restores.

#pragma once

#include <algorithm>
#include <thread>

#include "storage/catalog/request_store.h"
#include "tests/contract/storage/catalog/catalog_contract.h"

namespace mooring::storage {

class AccessContract : public CatalogContract {
 protected:
  RequestRecord AddRequest() {
    RequestRecord record;
    record.id = NewId<RequestId>();
    record.kind = v1::REQUEST_KIND_RESTORE;
    record.requested_by = "anna";
    record.requested_at = now_;
    record.expires_at = now_ + absl::Hours(24);
    record.reason = "lost phone";
    record.snapshot = NewId<SnapshotId>();
    record.device = NewId<DeviceId>();
    record.target_serial = "S2";
    record.summary = "restore S1 to S2";
    Must(In([&](Transaction& tx) { return tx.requests().Create(record); }));
    return record;
  }
  absl::StatusOr<RequestRecord> Decide(const RequestId& id, v1::RequestState state, absl::Time at) {
    return In([&](Transaction& tx) { return tx.requests().Decide(id, state, "bert", "fine", at); });
  }
  GrantRecord AddGrant(const RequestRecord& request) {
    GrantRecord record;
    record.id = NewId<GrantId>();
    record.request = request.id;
    record.snapshot = request.snapshot;
    record.code_hash = Blob(32);
    record.account = "anna";
    record.created_at = now_;
    record.expires_at = now_ + absl::Hours(1);
    Must(In([&](Transaction& tx) { return tx.requests().CreateGrant(record); }));
    return record;
  }
  absl::StatusOr<GrantRecord> OpenGrant(const GrantId& id, std::optional<AgentId> agent,
                                        const Bytes& key, absl::Time at) {
    return In([&](Transaction& tx) { return tx.requests().OpenGrant(id, agent, key, at); });
  }
  RestoreRecord AddRestore(const RequestRecord& request) {
    RestoreRecord record;
    record.id = NewId<RestoreId>();
    record.request = request.id;
    record.snapshot = request.snapshot;
    record.target_serial = request.target_serial;
    record.created_at = now_;
    Must(In([&](Transaction& tx) { return tx.requests().CreateRestore(record); }));
    return record;
  }
};

TEST_P(AccessContract, ARequestIsDecidedOnce) {
  const RequestRecord request = AddRequest();
  const RequestRecord approved = Must(Decide(request.id, v1::REQUEST_STATE_APPROVED, now_));
  EXPECT_EQ(approved.state, v1::REQUEST_STATE_APPROVED);
  EXPECT_EQ(approved.decided_by, "bert");
  EXPECT_EQ(approved.decided_at, now_);
  EXPECT_EQ(approved.reason, "lost phone");
  EXPECT_EQ(approved.snapshot, request.snapshot);
  EXPECT_EQ(Decide(request.id, v1::REQUEST_STATE_DENIED, now_).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Decide(NewId<RequestId>(), v1::REQUEST_STATE_DENIED, now_).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_P(AccessContract, OfTwoDecidersAtOnceOneDecides) {
  const RequestRecord request = AddRequest();
  std::vector<absl::Status> results(4);
  {
    std::vector<std::jthread> deciders;
    for (std::size_t i = 0; i < results.size(); ++i) {
      deciders.emplace_back([&, i] {
        results[i] =
            Decide(request.id, i % 2 == 0 ? v1::REQUEST_STATE_APPROVED : v1::REQUEST_STATE_DENIED,
                   now_)
                .status();
      });
    }
  }
  EXPECT_EQ(std::count_if(results.begin(), results.end(),
                          [](const absl::Status& status) { return status.ok(); }),
            1);
}

TEST_P(AccessContract, AnExpiredRequestCannotBeApproved) {
  const RequestRecord request = AddRequest();
  const RestoreRecord restore = AddRestore(request);
  EXPECT_EQ(Decide(request.id, v1::REQUEST_STATE_APPROVED, request.expires_at).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Must(In([&](Transaction& tx) { return tx.requests().Expire(now_); })).empty());
  const auto expired =
      Must(In([&](Transaction& tx) { return tx.requests().Expire(request.expires_at); }));
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].state, v1::REQUEST_STATE_EXPIRED);
  EXPECT_EQ(Must(In([&](Transaction& tx) { return tx.requests().GetRestore(restore.id); }))->state,
            v1::RESTORE_STATE_DENIED);
  EXPECT_TRUE(Must(In([](Transaction& tx) {
                return tx.requests().List(v1::REQUEST_STATE_PENDING);
              })).empty());
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.requests().List(std::nullopt); })).size(), 1u);
}

TEST_P(AccessContract, AGrantBelongsToItsFirstOpener) {
  const GrantRecord grant = AddGrant(AddRequest());
  const AgentId agent = AddAgent("desk-1");
  const AgentId other = AddAgent("desk-2");
  const Bytes key = Blob(32);
  const auto found =
      Must(In([&](Transaction& tx) { return tx.requests().FindGrantByCode(grant.code_hash); }));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->id, grant.id);

  const GrantRecord opened = Must(OpenGrant(grant.id, agent, key, now_));
  EXPECT_EQ(opened.agent, agent);
  EXPECT_EQ(opened.hpke_public_key, key);
  EXPECT_EQ(opened.opened_at, now_);
  EXPECT_EQ(Must(OpenGrant(grant.id, agent, key, now_ + absl::Minutes(1))).opened_at, now_);
  EXPECT_EQ(OpenGrant(grant.id, other, key, now_).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(OpenGrant(grant.id, agent, Blob(32), now_).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(OpenGrant(grant.id, std::nullopt, key, now_).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_P(AccessContract, AClosedOrExpiredGrantOpensNothing) {
  const Bytes key = Blob(32);
  const GrantRecord expired = AddGrant(AddRequest());
  EXPECT_EQ(OpenGrant(expired.id, std::nullopt, key, expired.expires_at).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const GrantRecord closed = AddGrant(AddRequest());
  Must(OpenGrant(closed.id, std::nullopt, key, now_));
  Must(In([&](Transaction& tx) { return tx.requests().CloseGrant(closed.id, now_); }));
  EXPECT_EQ(OpenGrant(closed.id, std::nullopt, key, now_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_P(AccessContract, ACodeCanBeMadeAnewUntilItIsUsed) {
  const GrantRecord grant = AddGrant(AddRequest());
  const Bytes code = Blob(32);
  Must(In([&](Transaction& tx) { return tx.requests().SetGrantCode(grant.id, code); }));
  EXPECT_FALSE(Must(In([&](Transaction& tx) {
                 return tx.requests().FindGrantByCode(grant.code_hash);
               })).has_value());
  Must(OpenGrant(grant.id, std::nullopt, Blob(32), now_));
  EXPECT_EQ(
      In([&](Transaction& tx) { return tx.requests().SetGrantCode(grant.id, Blob(32)); }).code(),
      absl::StatusCode::kFailedPrecondition);
}

TEST_P(AccessContract, ARequestHasOneGrant) {
  const RequestRecord request = AddRequest();
  GrantRecord grant = AddGrant(request);
  grant.id = NewId<GrantId>();
  grant.code_hash = Blob(32);
  EXPECT_EQ(In([&](Transaction& tx) { return tx.requests().CreateGrant(grant); }).code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_P(AccessContract, ARestoreGoesFromApprovalToItsEnd) {
  const RequestRecord request = AddRequest();
  const RestoreRecord restore = AddRestore(request);
  Must(In([&](Transaction& tx) {
    return tx.requests().SetRestoreState(restore.id, v1::RESTORE_STATE_WAITING_FOR_DEVICE);
  }));
  RestoreFilter waiting;
  waiting.state = v1::RESTORE_STATE_WAITING_FOR_DEVICE;
  waiting.target_serial = "S2";
  EXPECT_EQ(Must(In([&](Transaction& tx) { return tx.requests().ListRestores(waiting); })).size(),
            1u);
  waiting.target_serial = "S3";
  EXPECT_TRUE(
      Must(In([&](Transaction& tx) { return tx.requests().ListRestores(waiting); })).empty());

  v1::Progress progress;
  progress.set_percent(40);
  Must(In([&](Transaction& tx) { return tx.requests().SetRestoreProgress(restore.id, progress); }));
  RequestStore::RestoreResult result;
  result.file_count = 7;
  result.bytes = 700;
  Must(In([&](Transaction& tx) {
    return tx.requests().FinishRestore(restore.id, result, now_ + absl::Hours(1));
  }));
  const auto read =
      Must(In([&](Transaction& tx) { return tx.requests().FindRestoreByRequest(request.id); }));
  EXPECT_EQ(read->state, v1::RESTORE_STATE_SUCCEEDED);
  EXPECT_EQ(read->progress->percent(), 40);
  EXPECT_EQ(read->finished_at, now_ + absl::Hours(1));
  EXPECT_EQ(read->file_count, 7u);
  EXPECT_EQ(In([&](Transaction& tx) {
              return tx.requests().SetRestoreState(restore.id, v1::RESTORE_STATE_RUNNING);
            }).code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace mooring::storage
