#include "storage/repository/commit_request.h"

#include <functional>

#include <gtest/gtest.h>

#include "storage/manifest/manifest.h"
#include "storage/seal/digest.h"

namespace mooring::storage {
namespace {

class CommitRequestTest : public ::testing::Test {
 protected:
  CommitRequestTest() {
    session_.id = SessionId::Make(random_);
    session_.snapshot = SnapshotId::Make(random_);
    session_.device = DeviceId::Make(random_);
    session_.sequence = 4;
    session_.base = SnapshotId::Make(random_);
    request_.set_session_id(session_.id.bytes());
    request_.set_idempotency_key(std::string(16, 'k'));
    request_.set_parent_snapshot_id(session_.base->bytes());
    v1::DomainRefs* const refs = request_.add_refs();
    refs->set_domain_id(person_.bytes());
    refs->set_ids(std::string(32, '1') + std::string(32, '2') + std::string(32, '3'));
    request_.add_base_ids(std::string(32, '2'));
    v1::Capture* const capture = request_.add_captures();
    capture->set_kind(v1::CAPTURE_KIND_FULL);
    capture->set_result(v1::CAPTURE_RESULT_COMPLETE);
    capture->set_session_id(session_.id.bytes());
    capture->mutable_started_at()->set_seconds(1000);
    capture->mutable_completed_at()->set_seconds(2000);
    SetRoot({.snapshot = session_.snapshot,
             .device = session_.device,
             .parent = *session_.base,
             .sequence = 4,
             .created_unix_us = 5});
  }

  void SetRoot(const RootHeader& header) {
    Root root;
    root.header = header;
    root.body.add_domains(person_.bytes());
    root.body.set_refs_digest(std::string(32, 'd'));
    const absl::StatusOr<Bytes> sealed = SealRoot(SecretBytes::Make(random_, 32), random_, root);
    ASSERT_TRUE(sealed.ok()) << sealed.status();
    request_.set_root(ToString(*sealed));
  }

  absl::Status Check() {
    const absl::StatusOr<CheckedCommit> commit = CheckCommitRequest(request_);
    if (!commit.ok()) return commit.status();
    return CheckCommitOfSession(*commit, request_, session_, person_, organization_);
  }

  SeededRandom random_{5};
  const DomainId person_ = DomainId::Make(random_);
  const DomainId organization_ = DomainId::Make(random_);
  SessionRecord session_;
  v1::CommitSnapshotRequest request_;
};

TEST_F(CommitRequestTest, AGoodOneIsTakenApart) {
  ASSERT_TRUE(Check().ok()) << Check();
  const CheckedCommit commit = *CheckCommitRequest(request_);
  EXPECT_EQ(commit.session, session_.id);
  EXPECT_EQ(commit.refs_count, 3u);
  EXPECT_EQ(commit.base_ids.size(), 1u);
  EXPECT_EQ(commit.parent, session_.base);
  EXPECT_TRUE(commit.refs[0].ids.Contains(*ChunkId::FromBytes(std::string(32, '3'))));
  EXPECT_FALSE(commit.refs[0].ids.Contains(*ChunkId::FromBytes(std::string(32, '4'))));
  EXPECT_EQ(commit.refs[0].ids.Slice(1, 10).size(), 2u);
}

TEST_F(CommitRequestTest, EveryLieIsNamed) {
  using Request = v1::CommitSnapshotRequest;
  struct Lie {
    const char* says;  // In the message.
    std::function<void(Request&)> tell;
  };
  const Lie lies[] = {
      {"session_id", [](Request& r) { r.set_session_id("x"); }},
      {"idempotency_key", [](Request& r) { r.clear_idempotency_key(); }},
      {"refs is empty", [](Request& r) { r.clear_refs(); }},
      {"refs.ids is empty", [](Request& r) { r.mutable_refs(0)->clear_ids(); }},
      {"multiple of 32", [](Request& r) { r.mutable_refs(0)->mutable_ids()->append("x"); }},
      {"sorted",
       [](Request& r) { r.mutable_refs(0)->mutable_ids()->append(std::string(32, '0')); }},
      {"unique",
       [](Request& r) { r.mutable_refs(0)->mutable_ids()->append(std::string(32, '3')); }},
      {"domain_id", [](Request& r) { r.mutable_refs(0)->set_domain_id("short"); }},
      {"domain twice", [](Request& r) { *r.add_refs() = r.refs(0); }},
      {"not the session's",
       [](Request& r) { r.mutable_refs(0)->set_domain_id(std::string(16, 'z')); }},
      {"3 domains",
       [](Request& r) {
         *r.add_refs() = r.refs(0);
         *r.add_refs() = r.refs(0);
       }},
      {"refs lacks", [](Request& r) { r.add_base_ids(std::string(32, '9')); }},
      {"twice", [](Request& r) { r.add_base_ids(std::string(32, '2')); }},
      {"not 32 bytes", [](Request& r) { r.add_base_ids("2"); }},
      {"file_count", [](Request& r) { r.set_file_count(std::uint64_t{1} << 63); }},
      {"logical_bytes", [](Request& r) { r.set_logical_bytes(std::uint64_t{1} << 63); }},
      {"read_bytes", [](Request& r) { r.set_read_bytes(std::uint64_t{1} << 63); }},
      {"captures is empty", [](Request& r) { r.clear_captures(); }},
      {"kind twice", [](Request& r) { *r.add_captures() = r.captures(0); }},
      {"kind is unknown",
       [](Request& r) { r.mutable_captures(0)->set_kind(v1::CAPTURE_KIND_UNSPECIFIED); }},
      {"result is unknown",
       [](Request& r) { r.mutable_captures(0)->set_result(v1::CAPTURE_RESULT_UNSPECIFIED); }},
      {"completed_at", [](Request& r) { r.mutable_captures(0)->clear_completed_at(); }},
      {"completed_at",
       [](Request& r) { r.mutable_captures(0)->mutable_completed_at()->set_seconds(999); }},
      {"time out of range",
       [](Request& r) { r.mutable_captures(0)->mutable_started_at()->set_nanos(-1); }},
      {"remark", [](Request& r) { r.mutable_captures(0)->add_remarks(std::string(2000, 'r')); }},
      {"absurd gap", [](Request& r) { r.mutable_captures(0)->add_gaps(); }},
      {"has gaps", [](Request& r) { r.mutable_captures(0)->add_gaps()->set_count(1); }},
      {"device is too long",
       [](Request& r) { r.mutable_device()->set_name(std::string(20'000, 'n')); }},
      {"parent_snapshot_id", [](Request& r) { r.set_parent_snapshot_id("x"); }},
      {"base that the session was given",
       [](Request& r) { r.set_parent_snapshot_id(std::string(16, 'p')); }},
      {"different parents", [](Request& r) { r.clear_parent_snapshot_id(); }},
      {"commit", [](Request& r) { r.set_root("no root"); }},
      {"commit", [](Request& r) { r.clear_root(); }},
  };
  const Request good = request_;
  for (const Lie& lie : lies) {
    request_ = good;
    lie.tell(request_);
    const absl::Status status = Check();
    EXPECT_FALSE(status.ok()) << lie.says;
    EXPECT_NE(status.ToString().find(lie.says), std::string::npos) << status;
  }
}

TEST_F(CommitRequestTest, ARootOfAnotherSessionIsRefused) {
  const RootHeader good{.snapshot = session_.snapshot,
                        .device = session_.device,
                        .parent = *session_.base,
                        .sequence = 4,
                        .created_unix_us = 5};
  RootHeader other = good;
  other.snapshot = SnapshotId::Make(random_);
  SetRoot(other);
  EXPECT_TRUE(absl::IsInvalidArgument(Check()));
  other = good;
  other.device = DeviceId::Make(random_);
  SetRoot(other);
  EXPECT_TRUE(absl::IsInvalidArgument(Check()));
  other = good;
  other.sequence = 3;
  SetRoot(other);
  EXPECT_TRUE(absl::IsInvalidArgument(Check())) << "an old root replayed";
  other = good;
  other.parent = SnapshotId();
  SetRoot(other);
  EXPECT_TRUE(absl::IsInvalidArgument(Check()));
  SetRoot(good);
  EXPECT_TRUE(Check().ok());
}

}  // namespace
}  // namespace mooring::storage
