// S3ObjectWriter: one object going up a part at a time. What fits into one part is
// put whole; the rest is a multipart upload, verified by its parts' checksums and
// their number, and aborted when it is dropped.

#pragma once

#include <string>
#include <vector>

#include "storage/objects/object_store.h"
#include "storage/objects/s3_capabilities.h"
#include "storage/objects/s3_client.h"
#include "storage/objects/s3_object_access.h"

namespace mooring::storage {

// Thread-bound, as every ObjectWriter.
class S3ObjectWriter final : public ObjectWriter {
 public:
  // All outlive this.
  S3ObjectWriter(S3Client& client, const S3Capabilities& capabilities, std::string key);
  ~S3ObjectWriter() override;

  absl::Status Append(const OpContext& ctx, ByteView bytes) override;
  absl::Status Commit(const OpContext& ctx, absl::Time locked_until) override;

 private:
  absl::Status CheckSpent() const;
  absl::Status SendPart(const OpContext& ctx);
  absl::Status Begin(const OpContext& ctx);
  // The ETag by which the store knows the part.
  absl::StatusOr<std::string> UploadPart(const OpContext& ctx, const S3Part& part);
  absl::StatusOr<S3Head> Place(const OpContext& ctx);
  absl::StatusOr<S3Head> PlaceParts(const OpContext& ctx);
  absl::Status Complete(const OpContext& ctx);
  absl::Status CompleteOnce(const OpContext& ctx, const std::string& body);
  absl::StatusOr<S3Head> Verify(const OpContext& ctx);
  void Abort();

  S3Client& client_;
  const S3Capabilities& capabilities_;
  S3ObjectAccess access_;
  const std::string key_;

  Bytes buffer_;
  std::uint64_t size_bytes_ = 0;
  std::string upload_id_;  // Of an upload that is neither completed nor aborted.
  S3Fingerprint sent_;
  std::vector<std::string> part_etags_;
  bool is_spent_ = false;
};

}  // namespace mooring::storage
