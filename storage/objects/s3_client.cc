#include "storage/objects/s3_client.h"

#include <algorithm>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/objects/object_store.h"
#include "storage/objects/s3_errors.h"

namespace mooring::storage {
namespace {

std::string_view TextOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

}  // namespace

absl::Status S3Attempts::Next(const OpContext& ctx, const absl::Status& failure) {
  // Credentials end while an operation runs: whoever rotates them needs a moment.
  const bool is_passing =
      absl::IsUnavailable(failure) || absl::IsUnauthenticated(failure) || absl::IsDataLoss(failure);
  if (!is_passing || ++made_ >= settings_.attempts_max) return failure;
  absl::Duration longest = settings_.backoff_first;
  for (int i = 1; i < made_ && longest < settings_.backoff_max; ++i) longest *= 2;
  longest = std::min(longest, settings_.backoff_max);
  // Half of it at least: a wait of nothing would be no pause for a busy store.
  const auto half_us = static_cast<std::uint64_t>(absl::ToInt64Microseconds(longest / 2));
  const absl::Duration wait =
      absl::Microseconds(static_cast<std::int64_t>(half_us + random_.Below(half_us + 1)));
  if (clock_.Now() + wait >= ctx.deadline) return failure;
  if (!clock_.Sleep(wait, ctx.stop)) return CheckContext(ctx, clock_);
  return absl::OkStatus();
}

S3Client::S3Client(const S3Settings& settings, std::unique_ptr<S3CredentialSource> credentials,
                   Clock& clock, Random& random)
    : settings_(settings),
      address_(AddressOf(settings_)),
      credentials_(std::move(credentials)),
      clock_(clock),
      random_(random),
      http_(settings_, clock) {}

absl::StatusOr<HttpReply> S3Client::Once(const OpContext& ctx, const S3Request& request) {
  const std::shared_ptr<const S3Credentials> credentials = credentials_->Current();
  MOORING_ASSIGN_OR_RETURN(HttpReply reply, Exchange(ctx, request, *credentials));
  if (reply.status >= 200 && reply.status < 300) return reply;
  absl::Status refusal = RefusalOf(ctx, request, reply, *credentials);
  if (!absl::IsUnauthenticated(refusal) && !absl::IsPermissionDenied(refusal)) return refusal;
  if (credentials_->Renew(credentials)) {
    return absl::UnavailableError(fmt::format("bucket {}: its credentials have changed; {}",
                                              settings_.bucket, TextOf(refusal)));
  }
  return absl::Status(refusal.code(), fmt::format("{}; the credentials are those of {}",
                                                  TextOf(refusal), credentials_->origin()));
}

absl::StatusOr<HttpReply> S3Client::Exchange(const OpContext& ctx, const S3Request& request,
                                             const S3Credentials& credentials) {
  const Sha256Bytes sha256 =
      request.digest != nullptr ? request.digest->sha256 : S3Sha256(request.body);
  SigV4Request to_sign{.method = request.method,
                       .path = address_.path + "/",
                       .query = request.query,
                       .headers = request.headers,
                       .payload_sha256_hex = ToHex(sha256),
                       .at = clock_.Now()};
  // Keys and prefixes have no character that would need an escape.
  if (!request.key.empty()) to_sign.path += FullKey(request.key);
  S3Pairs& headers = to_sign.headers;
  headers.emplace_back("host", address_.host);
  headers.emplace_back("x-amz-content-sha256", to_sign.payload_sha256_hex);
  headers.emplace_back("x-amz-date", SigV4Time(to_sign.at));
  if (!credentials.session_token.empty()) {
    headers.emplace_back("x-amz-security-token", credentials.session_token);
  }
  HttpRequest http{.method = request.method,
                   .url = address_.origin + to_sign.path,
                   .headers = headers,
                   .body = request.body,
                   .into = request.into};
  const std::string query = CanonicalQuery(request.query);
  if (!query.empty()) http.url += "?" + query;
  http.headers.emplace_back("authorization",
                            SigV4Authorization(to_sign, {.region = settings_.region}, credentials));
  return http_.Perform(ctx, http);
}

absl::Status S3Client::RefusalOf(const OpContext& ctx, const S3Request& request,
                                 const HttpReply& reply, const S3Credentials& credentials) {
  const std::string what = request.key.empty()
                               ? fmt::format("bucket {}: {}", settings_.bucket, request.method)
                               : fmt::format("object {}: {}", request.key, request.method);
  const bool is_client_fault = reply.status == 400 || reply.status == 401 || reply.status == 403;
  if (request.method == "HEAD" && is_client_fault) {
    // The answer to HEAD has no body, so it does not tell expired from denied: ask again
    // for the first byte.
    S3Request asked{.method = "GET", .key = request.key, .query = request.query};
    asked.headers = {{"range", "bytes=0-0"}};
    std::byte first{};
    asked.into = std::span(&first, 1);
    const absl::StatusOr<HttpReply> told = Exchange(ctx, asked, credentials);
    if (told.ok() && told->status >= 400) {
      return S3ErrorStatus(told->status, ParseS3Error(told->text), what);
    }
  }
  return S3ErrorStatus(reply.status, ParseS3Error(reply.text), what);
}

absl::StatusOr<HttpReply> S3Client::Call(const OpContext& ctx, const S3Request& request) {
  S3Attempts attempts = NewAttempts();
  while (true) {
    absl::StatusOr<HttpReply> reply = Once(ctx, request);
    if (reply.ok()) return reply;
    absl::Status next = attempts.Next(ctx, reply.status());
    if (!next.ok()) return AsStoreStatus(std::move(next));
  }
}

std::string S3Client::FullKey(std::string_view key) const {
  if (settings_.prefix.empty()) return std::string(key);
  return fmt::format("{}/{}", settings_.prefix, key);
}

std::optional<std::string_view> S3Client::OwnKey(std::string_view full_key) const {
  if (settings_.prefix.empty()) return full_key;
  if (full_key.size() <= settings_.prefix.size() + 1 ||
      full_key.substr(0, settings_.prefix.size()) != settings_.prefix ||
      full_key[settings_.prefix.size()] != '/') {
    return std::nullopt;
  }
  return full_key.substr(settings_.prefix.size() + 1);
}

absl::Status AsStoreStatus(absl::Status status) {
  if (!absl::IsUnauthenticated(status)) return status;
  return absl::PermissionDeniedError(status.message());
}

}  // namespace mooring::storage
