// The other side of AWS Signature Version 4: what a store does with a request's
// Authorization header. Written from AWS's description and sharing no code with
// storage/objects/sigv4.h, so that the two check each other.

#pragma once

#include <map>
#include <string>

#include <absl/time/time.h>

#include "tests/support/mini_http.h"

namespace mooring::testing {

// The code of the S3 error, or empty if `request` is signed by one of `secrets` (by
// access key), now, for its own body.
std::string CheckS3Signature(const MiniHttpRequest& request,
                             const std::map<std::string, std::string>& secrets, absl::Time now);

// Lower-case hexadecimal and base64 of digests, for the store itself.
std::string HexSha256(const std::string& text);
std::string HexMd5(const std::string& text);
std::string RawSha256(const std::string& text);
std::string RawMd5(const std::string& text);
std::string Base64Of(const std::string& raw);
std::string HexOf(const std::string& raw);

}  // namespace mooring::testing
