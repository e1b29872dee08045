// Putting one object in one request such that the outcome is known at the end.

#pragma once

#include <string_view>

#include <absl/status/statusor.h>

#include "storage/base/bytes.h"
#include "storage/base/op_context.h"
#include "storage/objects/s3_capabilities.h"
#include "storage/objects/s3_client.h"
#include "storage/objects/s3_object_access.h"

namespace mooring::storage {

// How often an object that was just stored and is not seen is asked for again.
inline constexpr int kS3HeadsAfterPut = 3;

// The head of the verified object, be it ours or one of equal bytes that was there.
//
// kAlreadyExists: other bytes are there. kUnavailable: the store does not answer, or
// keeps other bytes than it was given; those are removed again.
absl::StatusOr<S3Head> PlaceS3Object(const OpContext& ctx, S3Client& client,
                                     const S3Capabilities& capabilities, std::string_view key,
                                     ByteView body);

// The headers by which the store can check `part` on arrival.
S3Pairs S3ChecksumHeaders(const S3Capabilities& capabilities, const S3Part& part);

}  // namespace mooring::storage
