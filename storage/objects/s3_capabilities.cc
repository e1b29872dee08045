#include "storage/objects/s3_capabilities.h"

#include <string_view>

#include <fmt/format.h>

#include "storage/base/ids.h"
#include "storage/base/status.h"
#include "storage/objects/s3_object_access.h"
#include "storage/objects/s3_xml.h"

namespace mooring::storage {
namespace {

constexpr std::string_view kBody = "Mooring finds out what this bucket can do.\n";
constexpr std::string_view kOtherBody =
    "A second body, which must not take the first one's place.\n";

std::string_view YesNo(bool value) {
  return value ? "yes" : "no";
}

// The probe of one bucket with one object.
class Prober {
 public:
  Prober(const OpContext& ctx, S3Client& client, std::string key)
      : ctx_(ctx), client_(client), key_(std::move(key)) {}

  absl::StatusOr<S3Capabilities> Run() {
    MOORING_RETURN_IF_ERROR(AskVersioning());
    MOORING_RETURN_IF_ERROR(AskObjectLock());
    MOORING_RETURN_IF_ERROR(AskForAbsence());
    const absl::Status tried = TryPuts();
    // Even after a failure: what was put goes.
    const absl::Status removed = S3ObjectAccess(client_, found_).Remove(ctx_, key_);
    MOORING_RETURN_IF_ERROR(tried);
    MOORING_RETURN_IF_ERROR(Annotate(removed, "the probe could not be removed"));
    return found_;
  }

 private:
  absl::Status AskVersioning() {
    MOORING_ASSIGN_OR_RETURN(const HttpReply reply,
                             client_.Call(ctx_, {.method = "GET", .query = {{"versioning", ""}}}));
    MOORING_ASSIGN_OR_RETURN(const XmlElement root, ParseXml(reply.text));
    // Enabled or Suspended: either way there may be versions.
    found_.versioning = !root.TextOf("Status").empty();
    is_versioning_enabled_ = root.TextOf("Status") == "Enabled";
    return absl::OkStatus();
  }

  absl::Status AskObjectLock() {
    const absl::StatusOr<HttpReply> reply =
        client_.Call(ctx_, {.method = "GET", .query = {{"object-lock", ""}}});
    if (reply.ok()) {
      MOORING_ASSIGN_OR_RETURN(const XmlElement root, ParseXml(reply->text));
      found_.object_lock = is_versioning_enabled_ && root.TextOf("ObjectLockEnabled") == "Enabled";
      if (root.Find("Rule") != nullptr) {
        return absl::FailedPreconditionError(fmt::format(
            "bucket {}: it locks every object by default, keys among them, which must stay "
            "erasable; remove the default retention from the bucket and set object_lock_days here",
            client_.settings().bucket));
      }
    } else if (absl::IsPermissionDenied(reply.status()) || absl::IsUnavailable(reply.status())) {
      return Annotate(reply.status(),
                      "asking for object lock (s3:GetBucketObjectLockConfiguration)");
    }  // Else the bucket has none, or the store does not know of it.
    if (client_.settings().requires_object_lock && !found_.object_lock) {
      return absl::FailedPreconditionError(fmt::format(
          "bucket {}: object_lock_days is set, and the bucket has no object lock; it can only be "
          "switched on when a bucket is made, so make another one",
          client_.settings().bucket));
    }
    return absl::OkStatus();
  }

  // A store that says "denied" for what is not there would make every new object fail.
  absl::Status AskForAbsence() {
    const absl::StatusOr<HttpReply> reply = client_.Call(ctx_, {.method = "HEAD", .key = key_});
    if (absl::IsNotFound(reply.status())) return absl::OkStatus();
    if (reply.ok()) return absl::InternalError(fmt::format("{} is there already", key_));
    return Annotate(reply.status(),
                    "asking for an object that is not there (needs s3:GetObject and "
                    "s3:ListBucket)");
  }

  absl::Status TryPuts() {
    const S3Part body = S3PartOf(AsBytes(kBody));
    const S3Part other = S3PartOf(AsBytes(kOtherBody));
    MOORING_ASSIGN_OR_RETURN(found_.content_md5,
                             IsRefused({{"content-md5", ToBase64(other.md5)}}, kBody));
    MOORING_ASSIGN_OR_RETURN(found_.checksum_sha256,
                             IsRefused({{"x-amz-checksum-sha256", ToBase64(other.sha256)}}, kBody));
    MOORING_ASSIGN_OR_RETURN(const bool is_taken_refused,
                             IsRefused({{"content-md5", ToBase64(body.md5)}}, kBody));
    if (is_taken_refused) {
      return absl::FailedPreconditionError(
          fmt::format("bucket {}: it refuses a small object", client_.settings().bucket));
    }
    MOORING_ASSIGN_OR_RETURN(const S3Head head, S3ObjectAccess(client_, found_).Head(ctx_, key_));
    if (head.size_bytes != kBody.size()) {
      return absl::FailedPreconditionError(
          fmt::format("bucket {}: of {} bytes it kept {}; this is no store to trust",
                      client_.settings().bucket, kBody.size(), head.size_bytes));
    }
    found_.etag_is_md5 = head.etag == ToHex(body.md5);
    MOORING_ASSIGN_OR_RETURN(found_.conditional_put,
                             IsRefused({{"if-none-match", "*"}}, kOtherBody));
    return absl::OkStatus();
  }

  absl::StatusOr<bool> IsRefused(S3Pairs headers, std::string_view body) {
    S3Request request{.method = "PUT", .key = key_};
    request.headers = std::move(headers);
    request.body = AsBytes(body);
    // A refusal for damage counts as worth another attempt elsewhere, so one alone here.
    S3Attempts attempts = client_.NewAttempts();
    while (true) {
      const absl::StatusOr<HttpReply> reply = client_.Once(ctx_, request);
      if (reply.ok()) return false;
      if (IsRefusal(reply.status())) return true;
      const absl::Status next = attempts.Next(ctx_, reply.status());
      if (!next.ok()) return AsStoreStatus(next);
    }
  }

  // Of this request as it is, unlike a busy store or bad credentials.
  static bool IsRefusal(const absl::Status& status) {
    const std::string_view text(status.message().data(), status.message().size());
    const bool is_client_error = text.find("(HTTP 4") != std::string_view::npos;
    return is_client_error && !absl::IsUnauthenticated(status) &&
           !absl::IsPermissionDenied(status) && text.find("(HTTP 429") == std::string_view::npos &&
           text.find("(HTTP 408") == std::string_view::npos && !absl::IsNotFound(status) &&
           !absl::IsResourceExhausted(status);
  }

  const OpContext& ctx_;
  S3Client& client_;
  const std::string key_;
  S3Capabilities found_;
  bool is_versioning_enabled_ = false;
};

}  // namespace

std::string S3Capabilities::Text() const {
  return fmt::format(
      "conditional_put={} checksum_sha256={} content_md5={} etag_is_md5={} versioning={} "
      "object_lock={}",
      YesNo(conditional_put), YesNo(checksum_sha256), YesNo(content_md5), YesNo(etag_is_md5),
      YesNo(versioning), YesNo(object_lock));
}

absl::StatusOr<S3Capabilities> ProbeS3(const OpContext& ctx, S3Client& client, Random& random) {
  return Prober(ctx, client, fmt::format("probe/{}", KeyId::Make(random).hex())).Run();
}

}  // namespace mooring::storage
