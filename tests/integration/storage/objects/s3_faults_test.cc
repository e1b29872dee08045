// What an S3 store can do to us, and what must hold: nothing is acknowledged that is
// not stored whole, nothing is taken for lost that is there, and no refusal makes a
// loop.

#include <gmock/gmock.h>

#include "tests/integration/storage/objects/s3_fixture.h"

namespace mooring::storage {
namespace {

using ::testing::HasSubstr;
using testing::MiniS3Fault;

class S3FaultsTest : public S3Test {
 protected:
  void SetUp() override { Start(); }
};

// Storms of 500 and 503: backoff, and no acknowledgment.

TEST_F(S3FaultsTest, AShortStormIsWaitedOut) {
  server_->Fail(MiniS3Fault::kSlowDown, "PUT", 3);
  server_->Fail(MiniS3Fault::kInternalError, "HEAD", 2);
  const absl::Time before = clock_.Now();
  const absl::Status put = Put("packs/ab", "body");
  ASSERT_TRUE(put.ok()) << put;
  EXPECT_EQ(server_->Body("packs/ab"), "body");
  // At least half of 200, 400 and 800 ms for the PUT.
  EXPECT_GE(clock_.Now() - before, absl::Milliseconds(700));
}

TEST_F(S3FaultsTest, AStormWithoutEndIsAnErrorAfterSevenAttempts) {
  for (const MiniS3Fault fault : {MiniS3Fault::kInternalError, MiniS3Fault::kSlowDown}) {
    server_->Fail(fault, "PUT", 1'000);
    EXPECT_TRUE(absl::IsUnavailable(Put("packs/ab", "body")));
    EXPECT_EQ(server_->Count("PUT"), settings_.attempts_max);
    EXPECT_EQ(server_->Body("packs/ab"), "");
    server_->Heal();
    server_->TakeLog();
  }
  server_->Fail(MiniS3Fault::kSlowDown, "", 1'000);
  EXPECT_TRUE(absl::IsUnavailable(Get("packs/ab").status()));
  EXPECT_TRUE(absl::IsUnavailable(store_->Remove({}, "packs/ab")));
  EXPECT_TRUE(absl::IsUnavailable(PutLarge("packs/large")));
  EXPECT_LE(server_->Count(""), 4 * settings_.attempts_max);
}

TEST_F(S3FaultsTest, AnOperationsTimeBoundsItsAttempts) {
  server_->Fail(MiniS3Fault::kSlowDown, "PUT", 1'000);
  const OpContext ctx{.deadline = clock_.Now() + absl::Milliseconds(900), .stop = {}};
  EXPECT_TRUE(absl::IsUnavailable(store_->Put(ctx, "a", AsBytes("b"), absl::InfinitePast())));
  EXPECT_LE(server_->Count("PUT"), 4);
  EXPECT_LE(clock_.Now(), ctx.deadline);
}

TEST_F(S3FaultsTest, AStormInAMultipartUploadCostsNoPartTwice) {
  server_->Fail(MiniS3Fault::kSlowDown, "partNumber=2", 2);
  server_->Fail(MiniS3Fault::kInternalError, "POST", 2);
  server_->Fail(MiniS3Fault::kErrorUnder200, "POST /backups/packs/large?uploadId", 1);
  const absl::Status put = PutLarge("packs/large");
  ASSERT_TRUE(put.ok()) << put;
  EXPECT_TRUE(server_->Body("packs/large") == large_);
  EXPECT_EQ(server_->Count("partNumber=1"), 1);
  EXPECT_EQ(server_->Count("partNumber=2"), 3);
}

// Stored, and the answer never came.

TEST_F(S3FaultsTest, AnAnswerThatIsLostIsLookedForBeforeAnythingIsPutAgain) {
  server_->Fail(MiniS3Fault::kDropAfter, "PUT");
  ASSERT_TRUE(Put("packs/ab", "body").ok());
  // libcurl itself repeats a request when a kept connection ends without a word.
  EXPECT_LE(server_->Count("PUT"), 2);
  EXPECT_EQ(server_->Versions("packs/ab"), 1u);
}

TEST_F(S3FaultsTest, AnAnswerThatNeverComesIsATimeoutAndFoundStored) {
  settings_.stall_timeout = absl::Seconds(1);
  Start();
  server_->Fail(MiniS3Fault::kStallAfter, "PUT");
  ASSERT_TRUE(Put("packs/ab", "body").ok());
  EXPECT_EQ(server_->Count("PUT"), 1);
  EXPECT_EQ(server_->Versions("packs/ab"), 1u);
}

TEST_F(S3FaultsTest, ARequestThatIsLostIsSentAgain) {
  server_->Fail(MiniS3Fault::kDropBefore, "PUT", 2);
  ASSERT_TRUE(Put("packs/ab", "body").ok());
  EXPECT_EQ(server_->Body("packs/ab"), "body");
  EXPECT_EQ(server_->Count("PUT"), 3);
}

TEST_F(S3FaultsTest, ALostAnswerToACompletedUploadIsFoundDone) {
  for (const MiniS3Fault fault : {MiniS3Fault::kDropAfter, MiniS3Fault::kDropBefore}) {
    server_->Fail(fault, "POST /backups/packs/large?uploadId");
    const absl::Status put = PutLarge("packs/large");
    ASSERT_TRUE(put.ok()) << put;
    EXPECT_TRUE(server_->Body("packs/large") == large_);
    EXPECT_EQ(server_->Versions("packs/large"), 1u);
    EXPECT_EQ(server_->open_uploads(), 0u);
    ASSERT_TRUE(store_->Remove({}, "packs/large").ok());
  }
}

TEST_F(S3FaultsTest, OtherBytesThatCameBetweenAreNotTakenForOurs) {
  server_->Fail(MiniS3Fault::kDropBefore, "PUT");
  server_->SetBody("packs/ab", "else");
  EXPECT_TRUE(absl::IsAlreadyExists(Put("packs/ab", "body")));
  EXPECT_EQ(server_->Body("packs/ab"), "else");
}

// 200, and stored short.

TEST_F(S3FaultsTest, WhatWasStoredShortIsPutAgain) {
  server_->Fail(MiniS3Fault::kStoreHalf, "PUT", 2);
  ASSERT_TRUE(Put("packs/ab", "a body of some length").ok());
  EXPECT_EQ(server_->Body("packs/ab"), "a body of some length");
}

TEST_F(S3FaultsTest, WhatIsAlwaysStoredShortIsNeverAcknowledgedAndTakenAway) {
  server_->Fail(MiniS3Fault::kStoreHalf, "PUT", 1'000);
  EXPECT_TRUE(absl::IsUnavailable(Put("packs/ab", "a body of some length")));
  EXPECT_EQ(server_->Versions("packs/ab"), 0u);
}

TEST_F(S3FaultsTest, AnUploadThatWasStoredShortIsNeverAcknowledgedAndTakenAway) {
  server_->Fail(MiniS3Fault::kStoreHalf, "POST /backups/packs/large?uploadId");
  EXPECT_TRUE(absl::IsUnavailable(PutLarge("packs/large")));
  EXPECT_EQ(server_->Versions("packs/large"), 0u);
  ASSERT_TRUE(PutLarge("packs/large").ok());
}

TEST_F(S3FaultsTest, AWrongEtagIsSettledByWhatTheStoreHolds) {
  server_->Fail(MiniS3Fault::kWrongEtag, "PUT");
  EXPECT_TRUE(Put("packs/ab", "body").ok());
  // In a part's answer: the part goes again.
  server_->Fail(MiniS3Fault::kWrongEtag, "partNumber=2");
  ASSERT_TRUE(PutLarge("packs/large").ok());
  EXPECT_EQ(server_->Count("partNumber=2"), 2);
  EXPECT_TRUE(server_->Body("packs/large") == large_);
}

TEST_F(S3FaultsTest, AWrongEtagOfAStoreWithoutChecksumsIsSettledByReading) {
  Start({.checksum_sha256 = false});
  server_->Fail(MiniS3Fault::kWrongEtag, "HEAD", 1'000);
  ASSERT_TRUE(Put("packs/ab", "body").ok());
  EXPECT_EQ(server_->Count("GET"), 1);
}

TEST_F(S3FaultsTest, APartThatIsLostFailsTheUploadAndTheNextOneIsWhole) {
  server_->Fail(MiniS3Fault::kLosePart, "partNumber=2");
  const absl::Status put = PutLarge("packs/large");
  EXPECT_TRUE(absl::IsUnavailable(put)) << put;
  EXPECT_THAT(put.ToString(), HasSubstr("lost a part"));
  EXPECT_EQ(server_->Versions("packs/large"), 0u);
  EXPECT_EQ(server_->open_uploads(), 0u);
  ASSERT_TRUE(PutLarge("packs/large").ok());
  EXPECT_TRUE(server_->Body("packs/large") == large_);
}

TEST_F(S3FaultsTest, AnUploadThatTheStoreDropsIsAnErrorThatMayBeRepeated) {
  server_->Fail(MiniS3Fault::kForgetUpload, "partNumber=2");
  EXPECT_TRUE(absl::IsUnavailable(PutLarge("packs/large")));
  server_->Fail(MiniS3Fault::kForgetUpload, "POST /backups/packs/large?uploadId");
  EXPECT_TRUE(absl::IsUnavailable(PutLarge("packs/large")));
  EXPECT_TRUE(PutLarge("packs/large").ok());
}

// Not seen yet, or seen short.

TEST_F(S3FaultsTest, AnObjectThatIsNotSeenYetIsNotLost) {
  server_->Fail(MiniS3Fault::kAbsent, "HEAD", 2);
  ASSERT_TRUE(Put("packs/ab", "body").ok());
  EXPECT_EQ(server_->Count("PUT"), 1);
  server_->Fail(MiniS3Fault::kAbsent, "GET", 2);
  EXPECT_EQ(*Get("packs/ab"), "body");
  server_->Fail(MiniS3Fault::kAbsent, "HEAD", 2);
  EXPECT_EQ(store_->Stat({}, "packs/ab")->size_bytes, 4u);
}

TEST_F(S3FaultsTest, AnObjectThatIsNeverSeenIsNotAcknowledged) {
  server_->Fail(MiniS3Fault::kAbsent, "HEAD", 1'000);
  EXPECT_TRUE(absl::IsUnavailable(Put("packs/ab", "body")));
}

TEST_F(S3FaultsTest, AnAnswerThatBreaksOffIsReadAgain) {
  ASSERT_TRUE(Put("packs/ab", "a body of some length").ok());
  server_->Fail(MiniS3Fault::kCutAnswer, "GET", 2);
  EXPECT_EQ(*Get("packs/ab"), "a body of some length");
  server_->Fail(MiniS3Fault::kCutAnswer, "GET", 1'000);
  EXPECT_TRUE(absl::IsDataLoss(Get("packs/ab").status()));
}

// Credentials that end, and that are replaced.

TEST_F(S3FaultsTest, CredentialsThatEndInTheMiddleOfAnUploadAreReadAnew) {
  auto writer = store_->NewObject({}, "packs/large");
  ASSERT_TRUE(writer.ok());
  const std::string_view body = large_;
  ASSERT_TRUE((*writer)->Append({}, AsBytes(body.substr(0, 10 << 20))).ok());
  server_->SetCredentials("AKIDNEW", "new-secret");
  WriteCredentials("AKIDNEW", "new-secret");
  ASSERT_TRUE((*writer)->Append({}, AsBytes(body.substr(10 << 20))).ok());
  const absl::Status committed = (*writer)->Commit({}, absl::InfinitePast());
  ASSERT_TRUE(committed.ok()) << committed;
  EXPECT_TRUE(server_->Body("packs/large") == large_);
}

TEST_F(S3FaultsTest, WhoeverRotatesCredentialsHasAMoment) {
  // They are refused four times before the new ones are good; HEAD tells no reason.
  server_->Fail(MiniS3Fault::kExpired, "PUT", 4);
  server_->Fail(MiniS3Fault::kExpired, "HEAD", 4);
  EXPECT_TRUE(Put("packs/ab", "body").ok());
}

TEST_F(S3FaultsTest, CredentialsThatStayBadAreSaidSoWithWhatToDo) {
  server_->SetCredentials("AKIDNEW", "new-secret");
  const absl::Status put = Put("packs/ab", "body");
  EXPECT_TRUE(absl::IsPermissionDenied(put)) << put;
  EXPECT_THAT(put.ToString(), HasSubstr("InvalidAccessKeyId"));
  EXPECT_THAT(put.ToString(), HasSubstr("credentials file"));
  EXPECT_THAT(put.ToString(), HasSubstr(credentials_file()));
  EXPECT_LE(server_->Count(""), settings_.attempts_max);
  WriteCredentials("AKIDNEW", "new-secret");
  EXPECT_TRUE(Put("packs/ab", "body").ok());
}

TEST_F(S3FaultsTest, APermissionThatIsMissingIsNotTriedAgain) {
  server_->Fail(MiniS3Fault::kDenied, "PUT", 1'000);
  EXPECT_TRUE(absl::IsPermissionDenied(Put("packs/ab", "body")));
  EXPECT_EQ(server_->Count("PUT"), 1);
}

TEST_F(S3FaultsTest, AClockThatIsWrongIsNamed) {
  testing::EagerClock wrong(clock_.Now() + absl::Hours(1));
  S3Settings settings = settings_;
  settings.bucket = server_->options().bucket;
  settings.endpoint = server_->endpoint();
  auto credentials = S3CredentialSource::FromFile(RealFileSystem(), credentials_file());
  ASSERT_TRUE(credentials.ok());
  const auto opened = S3ObjectStore::Open({}, settings, *std::move(credentials), wrong, random_);
  EXPECT_TRUE(absl::IsFailedPrecondition(opened.status()));
  EXPECT_THAT(opened.status().ToString(), HasSubstr("clocks"));
}

// An object lock refuses a deletion.

TEST_F(S3FaultsTest, ALockRefusesDeletionAtOnce) {
  ASSERT_TRUE(Put("packs/ab", "body", clock_.Now() + absl::Hours(1)).ok());
  server_->TakeLog();
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Remove({}, "packs/ab")));
  EXPECT_EQ(server_->Count("DELETE"), 0);
  EXPECT_EQ(server_->Count(""), 1);
  EXPECT_EQ(*Get("packs/ab"), "body");
}

TEST_F(S3FaultsTest, ALockThatOurClockTakesForOverStillRefusesAndMakesNoLoop) {
  ASSERT_TRUE(Put("packs/ab", "body").ok());
  server_->TakeLog();
  server_->Fail(MiniS3Fault::kDenied, "DELETE", 1'000);
  EXPECT_FALSE(store_->Remove({}, "packs/ab").ok());
  EXPECT_EQ(server_->Count("DELETE"), 1);
  EXPECT_EQ(*Get("packs/ab"), "body");
}

TEST_F(S3FaultsTest, RemovalLeavesNoVersionAndNoMarkerBehind) {
  ASSERT_TRUE(Put("packs/ab", "body").ok());
  ASSERT_TRUE(Put("packs/abc", "other").ok());
  server_->SetBody("packs/ab", "body");
  // A PUT that was stored short leaves a version beneath the good one.
  server_->Fail(MiniS3Fault::kStoreHalf, "PUT");
  ASSERT_TRUE(Put("packs/cd", "a body of some length").ok());
  EXPECT_EQ(server_->Versions("packs/cd"), 2u);
  EXPECT_TRUE(store_->Remove({}, "packs/cd").ok());
  EXPECT_EQ(server_->Versions("packs/cd"), 0u);
  EXPECT_TRUE(store_->Remove({}, "packs/ab").ok());
  EXPECT_EQ(server_->Versions("packs/ab"), 0u);
  EXPECT_EQ(*Get("packs/abc"), "other");
}

TEST_F(S3FaultsTest, AWriterThatIsDroppedAbortsItsUpload) {
  {
    auto writer = store_->NewObject({}, "packs/large");
    ASSERT_TRUE((*writer)->Append({}, AsBytes(large_)).ok());
    EXPECT_EQ(server_->open_uploads(), 1u);
  }
  EXPECT_EQ(server_->open_uploads(), 0u);
}

TEST_F(S3FaultsTest, UploadsThatLostTheirWriterAreAbortedAtTheNextStart) {
  auto writer = store_->NewObject({}, "packs/large");
  ASSERT_TRUE((*writer)->Append({}, AsBytes(large_)).ok());
  server_->Fail(MiniS3Fault::kDenied, "DELETE");
  writer->reset();
  EXPECT_EQ(server_->open_uploads(), 1u);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(server_->open_uploads(), 1u);  // Another server may be writing it.
  server_->AgeUploads(clock_.Now() - absl::Hours(49));
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(server_->open_uploads(), 0u);
}

}  // namespace
}  // namespace mooring::storage
