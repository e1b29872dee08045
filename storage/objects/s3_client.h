// S3Client: signed requests to one bucket, each tried until it succeeds, is
// refused, or has had its share of attempts and of time.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/objects/s3_credentials.h"
#include "storage/objects/s3_digest.h"
#include "storage/objects/s3_http.h"
#include "storage/objects/s3_settings.h"

namespace mooring::storage {

struct S3Request {
  std::string method;
  std::string key = {};  // Empty: the bucket itself. Without the prefix of the settings.
  S3Pairs query = {};
  S3Pairs headers = {};  // Besides those that every request has; names in lower case.
  ByteView body = {};
  // Of `body`, where it is known already.
  const S3Part* digest = nullptr;
  std::optional<std::span<std::byte>> into = {};
};

// The attempts at one operation, and the waits between them.
class S3Attempts {
 public:
  S3Attempts(const S3Settings& settings, Clock& clock, Random& random)
      : settings_(settings), clock_(clock), random_(random) {}

  // Waits before the next attempt. Gives `failure` back once there is to be none:
  // its kind is not worth one, all are used, or `ctx` allows no wait.
  absl::Status Next(const OpContext& ctx, const absl::Status& failure);

 private:
  const S3Settings& settings_;
  Clock& clock_;
  Random& random_;
  int made_ = 0;
};

// Thread-safe.
class S3Client {
 public:
  // `clock` and `random` outlive this. Of checked settings.
  S3Client(const S3Settings& settings, std::unique_ptr<S3CredentialSource> credentials,
           Clock& clock, Random& random);

  const S3Settings& settings() const { return settings_; }
  Clock& clock() { return clock_; }
  S3Attempts NewAttempts() const { return {settings_, clock_, random_}; }

  // One attempt. OK for 2xx alone; otherwise see S3ErrorStatus and S3Http::Perform.
  absl::StatusOr<HttpReply> Once(const OpContext& ctx, const S3Request& request);
  // For what may be repeated as it is. At the end kUnauthenticated has become
  // kPermissionDenied, as the seam has it.
  absl::StatusOr<HttpReply> Call(const OpContext& ctx, const S3Request& request);

  // The key with the prefix of the settings before it, and back; nullopt for a key
  // that does not begin with it.
  std::string FullKey(std::string_view key) const;
  std::optional<std::string_view> OwnKey(std::string_view full_key) const;

 private:
  // One signed exchange; any answer is OK.
  absl::StatusOr<HttpReply> Exchange(const OpContext& ctx, const S3Request& request,
                                     const S3Credentials& credentials);
  // What the store said against `request`.
  absl::Status RefusalOf(const OpContext& ctx, const S3Request& request, const HttpReply& reply,
                         const S3Credentials& credentials);

  const S3Settings settings_;
  const S3Address address_;
  const std::unique_ptr<S3CredentialSource> credentials_;
  Clock& clock_;
  Random& random_;
  S3Http http_;
};

// kUnauthenticated as kPermissionDenied; all else as it is.
absl::Status AsStoreStatus(absl::Status status);

}  // namespace mooring::storage
