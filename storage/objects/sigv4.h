// AWS Signature Version 4 in the Authorization header, as AWS documents it
// ("Authenticating Requests: Using the Authorization Header"), for one chunk
// of payload whose SHA-256 is known. Pure functions.

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/time/time.h>

#include "storage/base/secret_bytes.h"
#include "storage/objects/s3_digest.h"

namespace mooring::storage {

struct S3Credentials {
  std::string access_key_id;
  SecretBytes secret_access_key;
  std::string session_token;  // Empty for keys without an end.
};

using S3Pairs = std::vector<std::pair<std::string, std::string>>;

struct SigV4Request {
  std::string method;
  std::string path;  // As sent: encoded, with its leading '/'.
  S3Pairs query;     // Not encoded, in any order.
  S3Pairs headers;   // Names in lower case, in any order; host and x-amz-date among them.
  std::string payload_sha256_hex;
  absl::Time at;
};

struct SigV4Scope {
  std::string region;
  std::string service = "s3";
};

// RFC 3986: everything but A-Z a-z 0-9 - . _ ~ as %XX; '/' too, unless `keep_slash`.
std::string UriEncode(std::string_view text, bool keep_slash = false);

// The query as it is signed and as it must be sent.
std::string CanonicalQuery(const S3Pairs& query);

// 20150830T123600Z
std::string SigV4Time(absl::Time at);

// The value of the Authorization header.
std::string SigV4Authorization(const SigV4Request& request, const SigV4Scope& scope,
                               const S3Credentials& credentials);

// The key that signs, for a day, region and service.
Sha256Bytes SigV4Key(ByteView secret_access_key, std::string_view day, const SigV4Scope& scope);

}  // namespace mooring::storage
