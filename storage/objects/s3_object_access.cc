#include "storage/objects/s3_object_access.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/objects/s3_capabilities.h"
#include "storage/objects/s3_xml.h"

namespace mooring::storage {
namespace {

// An object just written that the store does not show yet.
constexpr int kAbsentReads = 2;
constexpr int kVersionPagesMax = 100;
// S3 knows no lock without an end; this is AWS's longest.
constexpr absl::Duration kLockMax = absl::Hours(24 * 36'500);

std::string WithoutQuotes(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return std::string(etag);
}

absl::Time TimeOr(std::string_view format, std::string_view text, absl::Time otherwise) {
  absl::Time time;
  std::string error;
  if (text.empty() || !absl::ParseTime(ToAbsl(format), ToAbsl(text), &time, &error)) {
    return otherwise;
  }
  return time;
}

absl::StatusOr<S3Head> HeadOf(const HttpReply& reply, std::string_view key) {
  S3Head head;
  if (!absl::SimpleAtoi(ToAbsl(reply.Header("content-length")), &head.size_bytes)) {
    return absl::UnavailableError(fmt::format("object {}: the store does not tell its size", key));
  }
  head.etag = WithoutQuotes(reply.Header("etag"));
  head.checksum = std::string(reply.Header("x-amz-checksum-sha256"));
  head.version_id = std::string(reply.Header("x-amz-version-id"));
  head.stored_at =
      TimeOr("%a, %d %b %Y %H:%M:%S GMT", reply.Header("last-modified"), absl::UnixEpoch());
  const std::string_view until = reply.Header("x-amz-object-lock-retain-until-date");
  // A lock that cannot be read still locks.
  if (!until.empty())
    head.locked_until = TimeOr("%Y-%m-%dT%H:%M:%E*SZ", until, absl::InfiniteFuture());
  if (reply.Header("x-amz-object-lock-legal-hold") == "ON") {
    head.locked_until = absl::InfiniteFuture();
  }
  return head;
}

std::string SecondsText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

absl::Time CeilToSecond(absl::Time time) {
  const absl::Time floor = absl::FromUnixSeconds(absl::ToUnixSeconds(time));
  return floor == time ? time : floor + absl::Seconds(1);
}

absl::Status LockedStatus(std::string_view key, absl::Time until) {
  return absl::FailedPreconditionError(
      until == absl::InfiniteFuture()
          ? fmt::format("object {}: locked by a legal hold of the bucket's", key)
          : fmt::format("object {}: locked until {}", key, SecondsText(until)));
}

}  // namespace

absl::StatusOr<S3Head> S3ObjectAccess::Head(const OpContext& ctx, std::string_view key) {
  S3Request request{.method = "HEAD", .key = std::string(key)};
  if (capabilities_.checksum_sha256) request.headers = {{"x-amz-checksum-mode", "ENABLED"}};
  MOORING_ASSIGN_OR_RETURN(const HttpReply reply, client_.Call(ctx, request));
  return HeadOf(reply, key);
}

absl::StatusOr<S3Head> S3ObjectAccess::HeadExpected(const OpContext& ctx, std::string_view key,
                                                    int more) {
  absl::Duration wait = client_.settings().backoff_first;
  while (true) {
    absl::StatusOr<S3Head> head = Head(ctx, key);
    if (!absl::IsNotFound(head.status()) || more-- <= 0) return head;
    if (client_.clock().Now() + wait >= ctx.deadline) return head;
    if (!client_.clock().Sleep(wait, ctx.stop)) return absl::CancelledError("called off");
    wait *= 2;
  }
}

absl::StatusOr<std::size_t> S3ObjectAccess::Read(const OpContext& ctx, std::string_view key,
                                                 std::uint64_t offset_bytes,
                                                 std::span<std::byte> out) {
  S3Attempts attempts = client_.NewAttempts();
  for (int absent = 0;;) {
    absl::StatusOr<std::size_t> read = ReadOnce(ctx, key, offset_bytes, out);
    if (read.ok()) return read;
    absl::Status failure = read.status();
    if (absl::IsNotFound(failure)) {
      if (absent++ == kAbsentReads) return failure;
      failure = absl::UnavailableError(failure.message());
    }
    absl::Status next = attempts.Next(ctx, failure);
    if (!next.ok()) return absent > 0 && absl::IsUnavailable(next) ? read : AsStoreStatus(next);
  }
}

absl::StatusOr<std::size_t> S3ObjectAccess::ReadOnce(const OpContext& ctx, std::string_view key,
                                                     std::uint64_t offset_bytes,
                                                     std::span<std::byte> out) {
  const absl::StatusOr<HttpReply> reply = client_.Once(
      ctx, {.method = "GET",
            .key = std::string(key),
            .query = {},
            .headers = {{"range",
                         fmt::format("bytes={}-{}", offset_bytes, offset_bytes + out.size() - 1)}},
            .into = out});
  if (absl::IsOutOfRange(reply.status())) return 0;  // It is there, and ends before.
  MOORING_RETURN_IF_ERROR(reply.status());
  // "bytes 0-9/100": a store that gave another range would give wrong bytes.
  const std::string_view range = reply->Header("content-range");
  const std::string expected_start = fmt::format("bytes {}-", offset_bytes);
  std::uint64_t size_bytes = 0;
  if (reply->status != 206 || range.substr(0, expected_start.size()) != expected_start ||
      !absl::SimpleAtoi(ToAbsl(range.substr(std::min(range.rfind('/') + 1, range.size()))),
                        &size_bytes) ||
      size_bytes <= offset_bytes) {
    return absl::DataLossError(fmt::format("object {}: the store gave another range", key));
  }
  const std::uint64_t expected = std::min<std::uint64_t>(out.size(), size_bytes - offset_bytes);
  if (reply->into_bytes != expected) {
    return absl::DataLossError(fmt::format("object {}: of {} bytes at {} the store gave {}", key,
                                           expected, offset_bytes, reply->into_bytes));
  }
  return reply->into_bytes;
}

absl::StatusOr<bool> S3ObjectAccess::Matches(const OpContext& ctx, std::string_view key,
                                             const S3Head& head, const S3Fingerprint& expected) {
  if (head.size_bytes != expected.size_bytes()) return false;
  const bool is_whole = expected.parts().size() == 1;
  if (!head.checksum.empty() && ((is_whole && head.checksum == expected.WholeChecksum()) ||
                                 head.checksum == expected.MultipartChecksum())) {
    return true;
  }
  if (capabilities_.etag_is_md5 &&
      ((is_whole && head.etag == expected.WholeEtag()) || head.etag == expected.MultipartEtag())) {
    return true;
  }
  // Put in other parts, or under a KMS, or damaged: only the bytes can tell.
  return ReadsAs(ctx, key, expected);
}

absl::StatusOr<bool> S3ObjectAccess::ReadsAs(const OpContext& ctx, std::string_view key,
                                             const S3Fingerprint& expected) {
  std::uint64_t offset = 0;
  Bytes bytes;
  for (const S3Part& part : expected.parts()) {
    if (part.size_bytes == 0) continue;
    bytes.resize(part.size_bytes);
    const absl::StatusOr<std::size_t> read = Read(ctx, key, offset, bytes);
    if (absl::IsDataLoss(read.status())) return false;
    MOORING_RETURN_IF_ERROR(read.status());
    if (*read != bytes.size() || S3Sha256(bytes) != part.sha256) return false;
    offset += part.size_bytes;
  }
  return true;
}

absl::Status S3ObjectAccess::Lock(const OpContext& ctx, std::string_view key, const S3Head& head,
                                  absl::Time locked_until) {
  const absl::Time now = client_.clock().Now();
  if (locked_until <= now || head.locked_until >= locked_until) return absl::OkStatus();
  if (!capabilities_.object_lock) {
    return absl::FailedPreconditionError(
        fmt::format("object {}: the bucket has no object lock", key));
  }
  const absl::Time until = CeilToSecond(std::min(locked_until, now + kLockMax));
  const std::string body = fmt::format(
      "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>COMPLIANCE</Mode>"
      "<RetainUntilDate>{}</RetainUntilDate></Retention>",
      SecondsText(until));
  const S3Part digest = S3PartOf(AsBytes(body));
  S3Request request{.method = "PUT", .key = std::string(key), .query = {{"retention", ""}}};
  if (!head.version_id.empty()) request.query.emplace_back("versionId", head.version_id);
  request.headers = {{"content-md5", ToBase64(digest.md5)}};
  request.body = AsBytes(body);
  request.digest = &digest;
  MOORING_RETURN_IF_ERROR(
      Annotate(client_.Call(ctx, request).status(), "locking (s3:PutObjectRetention)"));
  MOORING_ASSIGN_OR_RETURN(const S3Head locked, HeadExpected(ctx, key, kAbsentReads));
  if (locked.version_id == head.version_id && locked.locked_until < until) {
    return absl::UnavailableError(fmt::format("object {}: the store did not keep its lock", key));
  }
  return absl::OkStatus();
}

absl::Status S3ObjectAccess::Remove(const OpContext& ctx, std::string_view key) {
  const absl::StatusOr<S3Head> head = Head(ctx, key);
  if (head.ok() && head->locked_until > client_.clock().Now()) {
    return LockedStatus(key, head->locked_until);
  }
  if (!head.ok() && !absl::IsNotFound(head.status())) return head.status();
  if (capabilities_.versioning) return RemoveVersions(ctx, key);
  if (!head.ok()) return absl::OkStatus();
  return RemoveVersion(ctx, key, "");
}

// A DELETE that names no version would only hide the object behind a marker, locked or
// not. The current version goes last, so that what cannot go wholly stays readable.
absl::Status S3ObjectAccess::RemoveVersions(const OpContext& ctx, std::string_view key) {
  const std::string full_key = client_.FullKey(key);
  std::vector<std::string> versions;
  S3Pairs query = {{"versions", ""}, {"prefix", full_key}, {"encoding-type", "url"}};
  for (int pages = 0; pages < kVersionPagesMax; ++pages) {
    MOORING_ASSIGN_OR_RETURN(const HttpReply reply,
                             client_.Call(ctx, {.method = "GET", .query = query}));
    MOORING_ASSIGN_OR_RETURN(const S3VersionPage page, ParseS3VersionPage(reply.text));
    for (const S3Version& version : page.versions) {
      if (version.key == full_key) versions.push_back(version.id);
    }
    // Other keys that begin alike come after this one.
    if (page.next_key != full_key) break;
    query = {{"versions", ""},
             {"prefix", full_key},
             {"encoding-type", "url"},
             {"key-marker", page.next_key},
             {"version-id-marker", page.next_version}};
  }
  std::reverse(versions.begin(), versions.end());
  for (const std::string& version : versions) {
    MOORING_RETURN_IF_ERROR(RemoveVersion(ctx, key, version));
  }
  return absl::OkStatus();
}

absl::Status S3ObjectAccess::RemoveVersion(const OpContext& ctx, std::string_view key,
                                           const std::string& version_id) {
  S3Request request{.method = "DELETE", .key = std::string(key)};
  if (!version_id.empty()) request.query = {{"versionId", version_id}};
  const absl::Status removed = client_.Call(ctx, request).status();
  if (removed.ok() || absl::IsNotFound(removed)) return absl::OkStatus();
  if (!absl::IsPermissionDenied(removed)) return removed;
  // AWS says no more than "denied" for a lock.
  const absl::StatusOr<S3Head> head = Head(ctx, key);
  if (head.ok() && head->locked_until > client_.clock().Now()) {
    return LockedStatus(key, head->locked_until);
  }
  return Annotate(removed, "s3:DeleteObject and s3:DeleteObjectVersion are needed");
}

}  // namespace mooring::storage
