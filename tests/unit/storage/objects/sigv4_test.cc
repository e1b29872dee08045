// The signer against the examples that AWS publishes: "Signature calculations for
// the Authorization header" (S3) and "Examples of how to derive a signing key" (IAM).

#include "storage/objects/sigv4.h"

#include <gtest/gtest.h>

namespace mooring::storage {
namespace {

constexpr char kEmptySha256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

S3Credentials ExampleCredentials() {
  S3Credentials credentials;
  credentials.access_key_id = "AKIAIOSFODNN7EXAMPLE";
  credentials.secret_access_key =
      SecretBytes::CopyOf(AsBytes("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
  return credentials;
}

SigV4Request ExampleRequest() {
  SigV4Request request;
  request.method = "GET";
  request.path = "/";
  request.payload_sha256_hex = kEmptySha256;
  request.at = absl::FromUnixSeconds(1'369'353'600);  // 2013-05-24T00:00:00Z
  request.headers = {{"x-amz-content-sha256", kEmptySha256},
                     {"host", "examplebucket.s3.amazonaws.com"},
                     {"x-amz-date", "20130524T000000Z"}};
  return request;
}

std::string SignatureOf(const SigV4Request& request) {
  const std::string authorization =
      SigV4Authorization(request, {.region = "us-east-1"}, ExampleCredentials());
  return authorization.substr(authorization.rfind('=') + 1);
}

TEST(SigV4Test, GetObjectExample) {
  SigV4Request request = ExampleRequest();
  request.path = "/test.txt";
  request.headers.emplace_back("range", "bytes=0-9");
  EXPECT_EQ(SigV4Authorization(request, {.region = "us-east-1"}, ExampleCredentials()),
            "AWS4-HMAC-SHA256 "
            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SigV4Test, PutObjectExample) {
  SigV4Request request = ExampleRequest();
  request.method = "PUT";
  request.path = "/" + UriEncode("test$file.text", true);
  request.payload_sha256_hex = ToHex(S3Sha256(AsBytes("Welcome to Amazon S3.")));
  EXPECT_EQ(request.payload_sha256_hex,
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
  request.headers = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                     {"host", "examplebucket.s3.amazonaws.com"},
                     {"x-amz-content-sha256", request.payload_sha256_hex},
                     {"x-amz-date", "20130524T000000Z"},
                     {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
  EXPECT_EQ(SignatureOf(request),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(SigV4Test, GetBucketLifecycleExample) {
  SigV4Request request = ExampleRequest();
  request.query = {{"lifecycle", ""}};
  EXPECT_EQ(SignatureOf(request),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(SigV4Test, ListObjectsExample) {
  SigV4Request request = ExampleRequest();
  request.query = {{"prefix", "J"}, {"max-keys", "2"}};
  EXPECT_EQ(SignatureOf(request),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4Test, SigningKeyExample) {
  EXPECT_EQ(ToHex(SigV4Key(AsBytes("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), "20150830",
                           {.region = "us-east-1", .service = "iam"})),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

TEST(SigV4Test, QueriesAreSortedAsTheyAreSentAndNothingIsLeftUnescaped) {
  EXPECT_EQ(CanonicalQuery({{"b", "2"}, {"a", ""}, {"a-", "x y/z+"}, {"a", "1"}}),
            "a=&a=1&a-=x%20y%2Fz%2B&b=2");
  EXPECT_EQ(UriEncode("A-z_0.9~/\xC3\xA4*"), "A-z_0.9~%2F%C3%A4%2A");
  EXPECT_EQ(UriEncode("packs/ab", true), "packs/ab");
}

TEST(SigV4Test, BlanksInHeadersAreSignedAsTheyArrive) {
  SigV4Request padded = ExampleRequest();
  padded.headers.emplace_back("x-amz-meta-a", "  one   two ");
  SigV4Request trimmed = ExampleRequest();
  trimmed.headers.emplace_back("x-amz-meta-a", "one two");
  EXPECT_EQ(SignatureOf(padded), SignatureOf(trimmed));
}

TEST(S3DigestTest, PartsMakeTheEtagThatAwsDocuments) {
  // Two parts "a" and "b"; the values are of another program.
  S3Fingerprint parts;
  parts.Add(S3PartOf(AsBytes("a")));
  EXPECT_EQ(parts.WholeEtag(), "0cc175b9c0f1b6a831c399e269772661");
  EXPECT_EQ(parts.WholeChecksum(), "ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=");
  parts.Add(S3PartOf(AsBytes("b")));
  EXPECT_EQ(parts.size_bytes(), 2u);
  EXPECT_EQ(parts.MultipartChecksum(), "5aAf7hTg7VxIcU8iGA8lrYNltT+XefedxKPX6Tlj+Uo=-2");
  EXPECT_EQ(parts.MultipartEtag(), "96e024ba2074fe77e8e965ba43a704be-2");
}

}  // namespace
}  // namespace mooring::storage
