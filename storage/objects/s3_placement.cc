#include "storage/objects/s3_placement.h"

#include <string>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::storage {
namespace {

absl::Status Taken(std::string_view key) {
  return absl::AlreadyExistsError(fmt::format("object {}: it already holds other bytes", key));
}

class Placement {
 public:
  Placement(const OpContext& ctx, S3Client& client, const S3Capabilities& capabilities,
            std::string_view key, ByteView body)
      : ctx_(ctx),
        client_(client),
        capabilities_(capabilities),
        access_(client, capabilities),
        key_(key),
        body_(body),
        digest_(S3PartOf(body)) {
    expected_.Add(digest_);
  }

  absl::StatusOr<S3Head> Run() {
    S3Attempts attempts = client_.NewAttempts();
    bool looks_first = !capabilities_.conditional_put;
    while (true) {
      if (looks_first && !is_ours_) {
        absl::StatusOr<S3Head> found = access_.Head(ctx_, key_);
        if (found.ok()) return Judge(*std::move(found));
        if (!absl::IsNotFound(found.status())) return found;
      }
      absl::Status failure = Send();
      if (absl::IsAlreadyExists(failure)) return FindTaken();
      if (failure.ok()) {
        absl::StatusOr<S3Head> head = access_.HeadExpected(ctx_, key_, kS3HeadsAfterPut);
        if (!head.ok() && !absl::IsNotFound(head.status())) return head;
        if (head.ok()) {
          MOORING_ASSIGN_OR_RETURN(const bool matches,
                                   access_.Matches(ctx_, key_, *head, expected_));
          if (matches) return head;
        }
        failure = absl::UnavailableError(
            fmt::format("object {}: the store did not keep what it was given", key_));
      }
      // What has become of the request is not known, unless it was refused for its
      // credentials: look before the same bytes go again.
      if (!absl::IsUnauthenticated(failure)) looks_first = true;
      absl::Status next = attempts.Next(ctx_, failure);
      if (!next.ok()) return GiveUp(AsStoreStatus(std::move(next)));
    }
  }

 private:
  absl::Status Send() {
    S3Request request{.method = "PUT", .key = std::string(key_)};
    request.headers = S3ChecksumHeaders(capabilities_, digest_);
    request.body = body_;
    request.digest = &digest_;
    // Damaged bytes of ours are replaced; nobody else's are.
    if (capabilities_.conditional_put && !is_ours_) {
      request.headers.emplace_back("if-none-match", "*");
    }
    MOORING_RETURN_IF_ERROR(client_.Once(ctx_, request).status());
    is_ours_ = true;
    return absl::OkStatus();
  }

  absl::StatusOr<S3Head> Judge(S3Head head) {
    MOORING_ASSIGN_OR_RETURN(const bool matches, access_.Matches(ctx_, key_, head, expected_));
    if (!matches) return Taken(key_);
    return head;
  }

  absl::StatusOr<S3Head> FindTaken() {
    absl::StatusOr<S3Head> head = access_.HeadExpected(ctx_, key_, kS3HeadsAfterPut);
    if (head.ok()) return Judge(*std::move(head));
    if (!absl::IsNotFound(head.status())) return head;
    return absl::UnavailableError(
        fmt::format("object {}: the store says both that it is there and that it is not", key_));
  }

  absl::Status GiveUp(absl::Status why) {
    if (is_ours_) access_.Remove(ctx_, key_).IgnoreError();
    return why;
  }

  const OpContext& ctx_;
  S3Client& client_;
  const S3Capabilities& capabilities_;
  S3ObjectAccess access_;
  const std::string_view key_;
  const ByteView body_;
  const S3Part digest_;
  S3Fingerprint expected_;
  bool is_ours_ = false;  // A PUT of this call was answered with success.
};

}  // namespace

S3Pairs S3ChecksumHeaders(const S3Capabilities& capabilities, const S3Part& part) {
  S3Pairs headers = {{"content-md5", ToBase64(part.md5)}};
  if (capabilities.checksum_sha256) {
    headers.emplace_back("x-amz-checksum-sha256", ToBase64(part.sha256));
  }
  return headers;
}

absl::StatusOr<S3Head> PlaceS3Object(const OpContext& ctx, S3Client& client,
                                     const S3Capabilities& capabilities, std::string_view key,
                                     ByteView body) {
  return Placement(ctx, client, capabilities, key, body).Run();
}

}  // namespace mooring::storage
