// S3ObjectAccess: what the store and its writers do with one object, each call
// with its own attempts.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/op_context.h"
#include "storage/objects/s3_client.h"
#include "storage/objects/s3_digest.h"

namespace mooring::storage {

struct S3Capabilities;

struct S3Head {
  std::uint64_t size_bytes = 0;
  std::string etag;        // Without its quotes.
  std::string checksum;    // x-amz-checksum-sha256; empty where the store has none.
  std::string version_id;  // Empty without versioning.
  absl::Time stored_at;
  absl::Time locked_until = absl::InfinitePast();  // InfiniteFuture: a legal hold.
};

// Thread-compatible; cheap to make.
class S3ObjectAccess {
 public:
  // Both outlive this.
  S3ObjectAccess(S3Client& client, const S3Capabilities& capabilities)
      : client_(client), capabilities_(capabilities) {}

  // kNotFound: no such object, as the store says now.
  absl::StatusOr<S3Head> Head(const OpContext& ctx, std::string_view key);

  // As Head, of an object that should be there: a store that does not see it yet
  // is asked again `more` times.
  absl::StatusOr<S3Head> HeadExpected(const OpContext& ctx, std::string_view key, int more);

  // As ObjectStore::ReadAt. kDataLoss: every attempt gave less than it should.
  absl::StatusOr<std::size_t> Read(const OpContext& ctx, std::string_view key,
                                   std::uint64_t offset_bytes, std::span<std::byte> out);

  // Whether the object with this head has just those bytes. By checksum or ETag
  // where they tell; else it is read.
  absl::StatusOr<bool> Matches(const OpContext& ctx, std::string_view key, const S3Head& head,
                               const S3Fingerprint& expected);

  // Locks the version of `head` until then (to the second, rounded up), unless it is
  // locked for longer, and sees that it is so.
  absl::Status Lock(const OpContext& ctx, std::string_view key, const S3Head& head,
                    absl::Time locked_until);

  // As ObjectStore::Remove: every version and delete marker of the key.
  absl::Status Remove(const OpContext& ctx, std::string_view key);

 private:
  absl::StatusOr<std::size_t> ReadOnce(const OpContext& ctx, std::string_view key,
                                       std::uint64_t offset_bytes, std::span<std::byte> out);
  absl::StatusOr<bool> ReadsAs(const OpContext& ctx, std::string_view key,
                               const S3Fingerprint& expected);
  absl::Status RemoveVersions(const OpContext& ctx, std::string_view key);
  absl::Status RemoveVersion(const OpContext& ctx, std::string_view key,
                             const std::string& version_id);

  S3Client& client_;
  const S3Capabilities& capabilities_;
};

}  // namespace mooring::storage
