// What comes from a store or an administrator as text: XML, errors, settings,
// credentials.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/objects/s3_credentials.h"
#include "storage/objects/s3_errors.h"
#include "storage/objects/s3_settings.h"
#include "storage/objects/s3_xml.h"
#include "tests/support/subprocess.h"

namespace mooring::storage {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Repeat(std::string_view text, int times) {
  std::string repeated;
  for (int i = 0; i < times; ++i) repeated += text;
  return repeated;
}

TEST(S3XmlTest, AListPageIsReadWithItsNextToken) {
  const auto page = ParseS3ListPage(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
      "<Contents><Key>packs%2Fab</Key><LastModified>2026-11-23T08:08:05.484Z</LastModified>"
      "<ETag>&quot;x&quot;</ETag><Size>12</Size></Contents>"
      "<Contents><Key>a+b%C3%A4</Key><LastModified>2026-11-23T08:08:05Z</LastModified>"
      "<Size>0</Size></Contents>"
      "<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>"
      "</ListBucketResult>");
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->objects.size(), 2u);
  EXPECT_EQ(page->objects[0].key, "packs/ab");
  EXPECT_EQ(page->objects[0].size_bytes, 12u);
  EXPECT_EQ(page->objects[1].key, "a b\xC3\xA4");
  EXPECT_EQ(page->next_token, "t&1");
}

TEST(S3XmlTest, PagesThatCannotBeAreRefused) {
  const auto list = [](const std::string& inside) {
    return ParseS3ListPage("<ListBucketResult>" + inside + "</ListBucketResult>").status();
  };
  const std::string time = "<LastModified>2026-11-23T08:08:05Z</LastModified>";
  EXPECT_TRUE(list("").ok());
  EXPECT_TRUE(absl::IsDataLoss(list("<IsTruncated>true</IsTruncated>")));
  EXPECT_TRUE(
      absl::IsDataLoss(list("<Contents><Key>a</Key><Size>-1</Size>" + time + "</Contents>")));
  EXPECT_TRUE(absl::IsDataLoss(list("<Contents><Key>a</Key><Size>1</Size></Contents>")));
  EXPECT_TRUE(
      absl::IsDataLoss(list("<Contents><Key>%</Key><Size>1</Size>" + time + "</Contents>")));
  EXPECT_TRUE(
      absl::IsDataLoss(list("<Contents><Key>%zz</Key><Size>1</Size>" + time + "</Contents>")));
  EXPECT_TRUE(absl::IsDataLoss(ParseS3ListPage("<Other/>").status()));
  EXPECT_TRUE(absl::IsDataLoss(ParseS3ListPage("").status()));
  EXPECT_TRUE(absl::IsDataLoss(ParseS3ListPage("<html><br></html>").status()));
}

TEST(S3XmlTest, BombsAreNotRead) {
  const std::string entities =
      "<!DOCTYPE a [<!ENTITY x \"" + Repeat("y", 1000) + "\">]><a>" + Repeat("&x;", 1000) + "</a>";
  EXPECT_THAT(ParseXml(entities).status().ToString(), HasSubstr("document type"));
  EXPECT_THAT(ParseXml("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>").status().ToString(),
              HasSubstr("document type"));
  EXPECT_THAT(ParseXml(Repeat("<a>", 100) + Repeat("</a>", 100)).status().ToString(),
              HasSubstr("too deep"));
  EXPECT_THAT(ParseXml("<a>" + Repeat("<b/>", 60'000) + "</a>").status().ToString(),
              HasSubstr("too many"));
  EXPECT_FALSE(ParseXml(std::string(kS3XmlBytesMax + 1, ' ')).ok());
}

TEST(S3XmlTest, ErrorsAreReadAndCannotFail) {
  const S3Error error =
      ParseS3Error("<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>");
  EXPECT_EQ(error.code, "SlowDown");
  EXPECT_EQ(error.message, "Reduce your rate");
  EXPECT_EQ(ParseS3Error("<html>").code, "");
  EXPECT_EQ(ParseS3Error("").code, "");
  EXPECT_LE(ParseS3Error("<Error><Code>" + Repeat("c", 10'000) + "</Code></Error>").code.size(),
            300u);
}

TEST(S3XmlTest, VersionsAndUploadsAreRead) {
  const auto versions = ParseS3VersionPage(
      "<ListVersionsResult><DeleteMarker><Key>a</Key><VersionId>2</VersionId></DeleteMarker>"
      "<Version><Key>a</Key><VersionId>1</VersionId></Version><IsTruncated>true</IsTruncated>"
      "<NextKeyMarker>a</NextKeyMarker><NextVersionIdMarker>1</NextVersionIdMarker>"
      "</ListVersionsResult>");
  ASSERT_TRUE(versions.ok()) << versions.status();
  ASSERT_EQ(versions->versions.size(), 2u);
  EXPECT_EQ(versions->versions[0].id, "2");
  EXPECT_EQ(versions->next_version, "1");
  const auto uploads = ParseS3UploadPage(
      "<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u</UploadId>"
      "<Initiated>2026-11-23T08:08:05Z</Initiated></Upload></ListMultipartUploadsResult>");
  ASSERT_TRUE(uploads.ok()) << uploads.status();
  EXPECT_EQ(uploads->at(0).id, "u");
}

TEST(S3ErrorTest, EveryRefusalMeansOneThing) {
  const auto code_of = [](int http, const char* code, const char* message = "") {
    return S3ErrorStatus(http, {.code = code, .message = message}, "object a: GET").code();
  };
  EXPECT_EQ(code_of(404, "NoSuchKey"), absl::StatusCode::kNotFound);
  EXPECT_EQ(code_of(404, ""), absl::StatusCode::kNotFound);
  EXPECT_EQ(code_of(404, "NoSuchBucket"), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(code_of(403, "AccessDenied"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code_of(403, "AccessDenied", "forbidden by object lock"),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(code_of(400, "ExpiredToken"), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code_of(403, "InvalidAccessKeyId"), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code_of(403, "SignatureDoesNotMatch"), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code_of(403, ""), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code_of(403, "RequestTimeTooSkewed"), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(code_of(400, "InvalidRequest"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of(412, "PreconditionFailed"), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(code_of(400, "InvalidPart"), absl::StatusCode::kAborted);
  EXPECT_EQ(code_of(403, "QuotaExceeded"), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code_of(507, "Anything"), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code_of(301, ""), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(code_of(418, ""), absl::StatusCode::kInternal);
  for (const int http : {408, 429, 500, 502, 503, 504, 599}) {
    EXPECT_EQ(code_of(http, ""), absl::StatusCode::kUnavailable) << http;
  }
  const absl::Status told =
      S3ErrorStatus(503, {.code = "SlowDown", .message = "m"}, "object a: GET");
  EXPECT_THAT(told.ToString(),
              HasSubstr("object a: GET: the store is busy (HTTP 503 SlowDown: m)"));
}

TEST(S3SettingsTest, UrlsAreTakenApart) {
  const auto url = ParseS3Url("s3://mooring-backups/org/a");
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(url->bucket, "mooring-backups");
  EXPECT_EQ(url->prefix, "org/a");
  EXPECT_EQ(ParseS3Url("s3://bucket/")->prefix, "");
  for (const char* bad : {"s3:bucket", "s3://", "s3://Bucket", "s3://ab", "s3://bucket//a",
                          "s3://bucket/.a", "s3://bucket/A", "s3://a..b", "/var/lib"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseS3Url(bad).status())) << bad;
  }
}

TEST(S3SettingsTest, AddressesAreOfAwsOrOfAnEndpoint) {
  S3Settings settings;
  settings.bucket = "backups";
  settings.region = "eu-central-1";
  ASSERT_TRUE(CheckS3Settings(settings).ok());
  EXPECT_EQ(AddressOf(settings).origin, "https://backups.s3.eu-central-1.amazonaws.com");
  EXPECT_EQ(AddressOf(settings).path, "");
  S3Settings own;
  own.bucket = "backups";
  own.endpoint = "https://rgw.example.com:7480/";
  ASSERT_TRUE(CheckS3Settings(own).ok());
  EXPECT_EQ(AddressOf(own).origin, "https://rgw.example.com:7480");
  EXPECT_EQ(AddressOf(own).host, "rgw.example.com:7480");
  EXPECT_EQ(AddressOf(own).path, "/backups");
  for (const char* bad :
       {"rgw.example.com", "ftp://a", "https://", "https://a/b", "https://a b", "https://user@a"}) {
    own.endpoint = bad;
    EXPECT_TRUE(absl::IsInvalidArgument(CheckS3Settings(own))) << bad;
  }
}

TEST(S3CredentialsTest, AFileOfAwsOwnFormWillDo) {
  const auto read = ParseS3Credentials(
      "# made by hand\n[default]\naws_access_key_id = AKID\r\naws_secret_access_key=se/cr+et=\n"
      "aws_session_token = tok\nregion = eu\n");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->access_key_id, "AKID");
  EXPECT_EQ(AsText(read->secret_access_key.view()), "se/cr+et=");
  EXPECT_EQ(read->session_token, "tok");
}

TEST(S3CredentialsTest, WhatIsWrongIsSaidAndWhatIsSecretIsNot) {
  for (const char* bad :
       {"", "aws_access_key_id = A\n", "aws_secret_access_key = hush\n", "[a]\n[b]\n", "hush\n",
        "aws_access_key_id =\n", "aws_access_key_id = A\naws_secret_access_key = hush\tx\n"}) {
    const auto read = ParseS3Credentials(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << bad;
    EXPECT_THAT(read.status().ToString(), Not(HasSubstr("hush")));
  }
}

TEST(S3CredentialsTest, AFileThatOthersCanReadIsRefusedAndANewOneIsTaken) {
  const mooring::testing::TempDir dir;
  const std::string path = dir.path() + "/credentials";
  const auto write = [&path](const char* key, unsigned mode) {
    ASSERT_TRUE(WriteFileDurably(RealFileSystem(), path,
                                 AsBytes(std::string("aws_access_key_id = ") + key +
                                         "\naws_secret_access_key = s\n"),
                                 mode)
                    .ok());
  };
  write("one", 0644);
  EXPECT_TRUE(
      absl::IsPermissionDenied(S3CredentialSource::FromFile(RealFileSystem(), path).status()));
  write("one", 0600);
  const auto source = S3CredentialSource::FromFile(RealFileSystem(), path);
  ASSERT_TRUE(source.ok()) << source.status();
  const auto first = (*source)->Current();
  EXPECT_FALSE((*source)->Renew(first));  // Nothing new.
  write("two", 0600);
  EXPECT_TRUE((*source)->Renew(first));
  EXPECT_EQ((*source)->Current()->access_key_id, "two");
  EXPECT_TRUE((*source)->Renew(first));  // Renewed already.
  ASSERT_TRUE(RealFileSystem().Remove(path).ok());
  EXPECT_FALSE((*source)->Renew((*source)->Current()));
  EXPECT_EQ((*source)->Current()->access_key_id, "two");
}

}  // namespace
}  // namespace mooring::storage
