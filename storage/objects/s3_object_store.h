// S3ObjectStore: objects in a bucket of AWS, Ceph, MinIO or another S3 store.
//
//   s3://BUCKET/PREFIX/<key>   one object each
//
// An object is put with checksums and believed only once a HEAD has told its length
// and its ETag or checksum; after an outcome that is not known the store looks
// first, and puts the same bytes again if they are not there. Objects of more than
// one part go up as multipart uploads, a part at a time in memory.
//
// Locks are the bucket's object lock in COMPLIANCE mode, set on the verified
// version: nobody can shorten them, an administrator of the store included. Where a
// bucket keeps versions, Remove takes every version of a key.
//
// AWS's API reference is the source of what is sent; how stores differ is
// found out at the start (s3_capabilities.h).

#pragma once

#include <memory>
#include <string_view>

#include "storage/base/mutex.h"
#include "storage/base/random.h"
#include "storage/objects/object_store.h"
#include "storage/objects/s3_capabilities.h"
#include "storage/objects/s3_client.h"
#include "storage/objects/s3_object_access.h"

namespace mooring::storage {

// Of a multipart upload; what one writer holds in memory. AWS's least is 5 MiB.
inline constexpr std::size_t kS3PartBytes = std::size_t{8} << 20;
// An upload that nobody finished for so long has lost its writer.
inline constexpr absl::Duration kS3UploadStaleAfter = absl::Hours(48);

// Thread-safe. Several processes may share one bucket.
class S3ObjectStore final : public ObjectStore {
 public:
  // Probes the bucket, and aborts stale uploads. `clock` and `random` outlive the store.
  //
  // kInvalidArgument: settings that cannot be. Else see ProbeS3.
  static absl::StatusOr<std::unique_ptr<S3ObjectStore>> Open(
      const OpContext& ctx, S3Settings settings, std::unique_ptr<S3CredentialSource> credentials,
      Clock& clock, Random& random);

  const S3Capabilities& capabilities() const { return capabilities_; }

  absl::Status Put(const OpContext& ctx, std::string_view key, ByteView body,
                   absl::Time locked_until) override;
  absl::StatusOr<std::unique_ptr<ObjectWriter>> NewObject(const OpContext& ctx,
                                                          std::string_view key) override;
  absl::StatusOr<std::size_t> ReadAt(const OpContext& ctx, std::string_view key,
                                     std::uint64_t offset_bytes, std::span<std::byte> out) override;
  absl::StatusOr<ObjectInfo> Stat(const OpContext& ctx, std::string_view key) override;
  absl::Status List(const OpContext& ctx, std::string_view prefix,
                    absl::FunctionRef<absl::Status(const ObjectInfo&)> visit) override;
  absl::Status Remove(const OpContext& ctx, std::string_view key) override;
  absl::Status ExtendLock(const OpContext& ctx, std::string_view key,
                          absl::Time locked_until) override;
  absl::StatusOr<SpaceInfo> Space(const OpContext& ctx) override;

 private:
  S3ObjectStore(std::unique_ptr<S3Client> client, const S3Capabilities& capabilities)
      : client_(std::move(client)), capabilities_(capabilities) {}

  S3ObjectAccess access() { return {*client_, capabilities_}; }
  absl::Status AbortStaleUploads(const OpContext& ctx);

  const std::unique_ptr<S3Client> client_;
  const S3Capabilities capabilities_;

  // What the bucket holds, counted now and then.
  Mutex space_mutex_;
  bool is_counting_ ABSL_GUARDED_BY(space_mutex_) = false;
  absl::Time counted_at_ ABSL_GUARDED_BY(space_mutex_) = absl::InfinitePast();
  std::uint64_t used_bytes_ ABSL_GUARDED_BY(space_mutex_) = 0;
};

}  // namespace mooring::storage
