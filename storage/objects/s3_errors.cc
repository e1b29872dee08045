#include "storage/objects/s3_errors.h"

#include <algorithm>
#include <iterator>
#include <string>

#include <fmt/format.h>

namespace mooring::storage {
namespace {

struct CodeMeaning {
  std::string_view code;
  absl::StatusCode status;
  std::string_view advice;
};

constexpr std::string_view kNewKeys =
    "the store does not know these credentials; put good ones into the credentials file";
constexpr std::string_view kBusy = "the store is busy";
constexpr std::string_view kDamaged = "the bytes were damaged on the way";
constexpr std::string_view kLocked = "the object is locked";

// Codes of AWS; Ceph and MinIO use the same, and those that are said to be theirs.
constexpr CodeMeaning kCodes[] = {
    {"AccessDenied", absl::StatusCode::kPermissionDenied,
     "the credentials do not allow it; see the policy in deploy/docs/object-store.md"},
    {"AccountProblem", absl::StatusCode::kPermissionDenied, "the account is closed"},
    {"AllAccessDisabled", absl::StatusCode::kPermissionDenied, "the bucket is closed"},
    {"BadDigest", absl::StatusCode::kUnavailable, kDamaged},
    {"BucketRegionError", absl::StatusCode::kFailedPrecondition,
     "the bucket is in another region; correct s3.region"},
    {"ConditionalRequestConflict", absl::StatusCode::kUnavailable, "another writer is at work"},
    {"EntityTooLarge", absl::StatusCode::kInvalidArgument, "the store takes no object so large"},
    {"ExpiredToken", absl::StatusCode::kUnauthenticated,
     "the credentials have ended; put new ones into the credentials file"},
    {"IncompleteBody", absl::StatusCode::kUnavailable, kDamaged},
    {"InsufficientCapacity", absl::StatusCode::kResourceExhausted, "the store is full"},  // MinIO.
    {"InternalError", absl::StatusCode::kUnavailable, "the store has an error of its own"},
    {"InvalidAccessKeyId", absl::StatusCode::kUnauthenticated, kNewKeys},
    {"InvalidDigest", absl::StatusCode::kUnavailable, kDamaged},
    {"InvalidPart", absl::StatusCode::kAborted, "the store has lost a part of the upload"},
    {"InvalidPartOrder", absl::StatusCode::kAborted, "the store has lost a part of the upload"},
    {"InvalidRange", absl::StatusCode::kOutOfRange, "past the end of the object"},
    {"InvalidToken", absl::StatusCode::kUnauthenticated, kNewKeys},
    {"MethodNotAllowed", absl::StatusCode::kFailedPrecondition, "the store does not allow it"},
    {"NoSuchBucket", absl::StatusCode::kFailedPrecondition,
     "there is no such bucket; make it, or correct the repository's URL"},
    {"NoSuchKey", absl::StatusCode::kNotFound, "not there"},
    {"NoSuchUpload", absl::StatusCode::kNotFound, "the upload is over"},
    {"NoSuchVersion", absl::StatusCode::kNotFound, "not there"},
    {"NotImplemented", absl::StatusCode::kUnimplemented, "the store cannot do this"},
    {"ObjectLocked", absl::StatusCode::kFailedPrecondition, kLocked},  // MinIO.
    {"OperationAborted", absl::StatusCode::kUnavailable, "another operation is at work"},
    {"PermanentRedirect", absl::StatusCode::kFailedPrecondition,
     "the bucket is at another address; correct s3.endpoint and s3.region"},
    {"PreconditionFailed", absl::StatusCode::kAlreadyExists, "there is an object already"},
    {"QuotaExceeded", absl::StatusCode::kResourceExhausted, "the quota is used up"},  // Ceph.
    {"RequestTimeTooSkewed", absl::StatusCode::kFailedPrecondition,
     "the clocks of this server and of the store differ too much; set them right"},
    {"RequestTimeout", absl::StatusCode::kUnavailable, kBusy},
    {"ServiceUnavailable", absl::StatusCode::kUnavailable, kBusy},
    {"SignatureDoesNotMatch", absl::StatusCode::kUnauthenticated,
     "the secret key does not fit the access key; put good ones into the credentials file"},
    {"SlowDown", absl::StatusCode::kUnavailable, kBusy},
    {"TokenRefreshRequired", absl::StatusCode::kUnauthenticated, kNewKeys},
    {"TooManyRequests", absl::StatusCode::kUnavailable, kBusy},
    {"XAmzContentSHA256Mismatch", absl::StatusCode::kUnavailable, kDamaged},
    {"XMinioStorageFull", absl::StatusCode::kResourceExhausted, "the store is full"},
};

// Where there is no code: an answer to HEAD has no body, a proxy's has another.
CodeMeaning MeaningOfHttp(int status) {
  switch (status) {
    case 301:
    case 302:
    case 307:
    case 308:
      return {"", absl::StatusCode::kFailedPrecondition,
              "the bucket is at another address; correct s3.endpoint and s3.region"};
    case 400:  // So does AWS answer a HEAD with credentials that have ended.
    case 401:
    case 403:
      return {"", absl::StatusCode::kUnauthenticated,
              "the store refuses the credentials, or they do not allow it; see "
              "deploy/docs/object-store.md"};
    case 404:
      return {"", absl::StatusCode::kNotFound, "not there"};
    case 405:
    case 409:
      return {"", absl::StatusCode::kFailedPrecondition, "the store does not allow it"};
    case 412:
      return {"", absl::StatusCode::kAlreadyExists, "there is an object already"};
    case 416:
      return {"", absl::StatusCode::kOutOfRange, "past the end of the object"};
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return {"", absl::StatusCode::kUnavailable, kBusy};
    case 501:
      return {"", absl::StatusCode::kUnimplemented, "the store cannot do this"};
    case 507:
      return {"", absl::StatusCode::kResourceExhausted, "the store is full"};
    default:
      return {"", status >= 500 ? absl::StatusCode::kUnavailable : absl::StatusCode::kInternal,
              "an answer that we do not expect"};
  }
}

}  // namespace

absl::Status S3ErrorStatus(int http_status, const S3Error& error, std::string_view what) {
  const auto* const found =
      std::find_if(std::begin(kCodes), std::end(kCodes),
                   [&error](const CodeMeaning& m) { return m.code == error.code; });
  CodeMeaning meaning = found != std::end(kCodes) ? *found : MeaningOfHttp(http_status);
  if (found == std::end(kCodes) && !error.code.empty() &&
      meaning.status == absl::StatusCode::kUnauthenticated) {
    // A refusal with a reason, though not one of credentials.
    meaning = {"", absl::StatusCode::kInvalidArgument, "the store refuses the request"};
  }
  // Ceph names the lock in the message alone, MinIO too in some of its versions.
  if (error.code == "AccessDenied" && error.message.find("object lock") != std::string::npos) {
    meaning = {"", absl::StatusCode::kFailedPrecondition, kLocked};
  }
  std::string text = fmt::format("{}: {} (HTTP {}", what, meaning.advice, http_status);
  if (!error.code.empty()) text += fmt::format(" {}", error.code);
  if (!error.message.empty()) text += fmt::format(": {}", error.message);
  text += ")";
  return {meaning.status, text};
}

}  // namespace mooring::storage
