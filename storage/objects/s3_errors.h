// What an S3 store's refusals mean to us: one table.

#pragma once

#include <string_view>

#include <absl/status/status.h>

#include "storage/objects/s3_xml.h"

namespace mooring::storage {

// The status of an answer that is not 2xx. `what` names the operation and object.
//
//   kUnavailable        may be retried: the store is busy, or bytes were damaged on the way
//   kUnauthenticated    the credentials ended, or are not (yet) known there
//   kPermissionDenied   they are good and do not suffice
//   kAborted            the multipart upload cannot be completed any more
//   kNotFound           no such object, version or upload
//   kAlreadyExists      a condition on the object's absence did not hold
//   kFailedPrecondition locked, or the bucket is not as configured
absl::Status S3ErrorStatus(int http_status, const S3Error& error, std::string_view what);

}  // namespace mooring::storage
