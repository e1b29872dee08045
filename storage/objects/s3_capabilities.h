// What a bucket can do, found out by trying: stores differ, and say little.

#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/objects/s3_client.h"

namespace mooring::storage {

struct S3Capabilities {
  // PUT with If-None-Match: * refuses a key that is taken.
  bool conditional_put = false;
  // A wrong x-amz-checksum-sha256 is refused.
  bool checksum_sha256 = false;
  // A wrong Content-MD5 is refused.
  bool content_md5 = false;
  // The ETag of an object is the MD5 of its body (not so where a KMS encrypts).
  bool etag_is_md5 = false;
  // The bucket keeps older versions, or has kept some.
  bool versioning = false;
  bool object_lock = false;

  // "conditional_put=yes checksum_sha256=no ...", for the log.
  std::string Text() const;
};

// Puts, asks and removes one small object under "probe/". kFailedPrecondition: no
// such bucket, or it has not what `client`'s settings demand, or what no store may
// have. kPermissionDenied: a permission that is needed is missing; says which.
absl::StatusOr<S3Capabilities> ProbeS3(const OpContext& ctx, S3Client& client, Random& random);

}  // namespace mooring::storage
