#include "storage/objects/s3_object_store.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/objects/s3_object_writer.h"
#include "storage/objects/s3_placement.h"
#include "storage/objects/s3_xml.h"

namespace mooring::storage {
namespace {

constexpr int kListPageKeys = 1000;
// Pages without a key, one after the other: a store that never comes to an end.
constexpr int kEmptyPagesMax = 100;
constexpr int kHeadsOfStat = 2;
constexpr absl::Duration kCountEvery = absl::Hours(1);

}  // namespace

absl::StatusOr<std::unique_ptr<S3ObjectStore>> S3ObjectStore::Open(
    const OpContext& ctx, S3Settings settings, std::unique_ptr<S3CredentialSource> credentials,
    Clock& clock, Random& random) {
  MOORING_RETURN_IF_ERROR(Annotate(CheckS3Settings(settings), "object store"));
  auto client = std::make_unique<S3Client>(settings, std::move(credentials), clock, random);
  MOORING_ASSIGN_OR_RETURN(const S3Capabilities capabilities, ProbeS3(ctx, *client, random));
  std::unique_ptr<S3ObjectStore> store(new S3ObjectStore(std::move(client), capabilities));
  // Space, no more: a store that cannot list uploads can do all else.
  store->AbortStaleUploads(ctx).IgnoreError();
  return store;
}

absl::Status S3ObjectStore::Put(const OpContext& ctx, std::string_view key, ByteView body,
                                absl::Time locked_until) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, client_->clock()));
  if (body.size() > kObjectBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("object {}: longer than {} bytes", key, kObjectBytesMax));
  }
  MOORING_ASSIGN_OR_RETURN(const S3Head head,
                           PlaceS3Object(ctx, *client_, capabilities_, key, body));
  return access().Lock(ctx, key, head, locked_until);
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> S3ObjectStore::NewObject(const OpContext& ctx,
                                                                       std::string_view key) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, client_->clock()));
  return std::make_unique<S3ObjectWriter>(*client_, capabilities_, std::string(key));
}

absl::StatusOr<std::size_t> S3ObjectStore::ReadAt(const OpContext& ctx, std::string_view key,
                                                  std::uint64_t offset_bytes,
                                                  std::span<std::byte> out) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  if (!out.empty()) return access().Read(ctx, key, offset_bytes, out);
  MOORING_RETURN_IF_ERROR(Stat(ctx, key).status());  // There is no range of nothing.
  return 0;
}

absl::StatusOr<ObjectInfo> S3ObjectStore::Stat(const OpContext& ctx, std::string_view key) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_ASSIGN_OR_RETURN(const S3Head head, access().HeadExpected(ctx, key, kHeadsOfStat));
  return ObjectInfo{.key = std::string(key),
                    .size_bytes = head.size_bytes,
                    .stored_at = head.stored_at,
                    .locked_until = head.locked_until};
}

absl::Status S3ObjectStore::List(const OpContext& ctx, std::string_view prefix,
                                 absl::FunctionRef<absl::Status(const ObjectInfo&)> visit) {
  std::string last;
  std::string token;
  for (int empty_pages = 0; empty_pages < kEmptyPagesMax;) {
    MOORING_RETURN_IF_ERROR(CheckContext(ctx, client_->clock()));
    S3Request request{.method = "GET"};
    request.query = {{"list-type", "2"},
                     {"encoding-type", "url"},
                     {"max-keys", fmt::format("{}", kListPageKeys)},
                     {"prefix", client_->FullKey(prefix)}};
    if (!token.empty()) request.query.emplace_back("continuation-token", token);
    MOORING_ASSIGN_OR_RETURN(const HttpReply reply, client_->Call(ctx, request));
    MOORING_ASSIGN_OR_RETURN(S3ListPage page, ParseS3ListPage(reply.text));
    for (S3ListedObject& object : page.objects) {
      // In order and once each, or a store could keep us here for good.
      if (!last.empty() && object.key <= last) {
        return absl::DataLossError("list objects: the store's keys are not in order");
      }
      last = object.key;
      const std::optional<std::string_view> key = client_->OwnKey(object.key);
      if (!key || !CheckObjectKey(*key).ok()) continue;  // Somebody else's.
      MOORING_RETURN_IF_ERROR(visit(ObjectInfo{.key = std::string(*key),
                                               .size_bytes = object.size_bytes,
                                               .stored_at = object.stored_at}));
    }
    if (page.next_token.empty()) return absl::OkStatus();
    empty_pages = page.objects.empty() ? empty_pages + 1 : 0;
    token = std::move(page.next_token);
  }
  return absl::DataLossError("list objects: the store's list does not end");
}

absl::Status S3ObjectStore::Remove(const OpContext& ctx, std::string_view key) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  return access().Remove(ctx, key);
}

absl::Status S3ObjectStore::ExtendLock(const OpContext& ctx, std::string_view key,
                                       absl::Time locked_until) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_ASSIGN_OR_RETURN(const S3Head head, access().HeadExpected(ctx, key, kHeadsOfStat));
  return access().Lock(ctx, key, head, locked_until);
}

// A bucket does not tell what it holds: counted by a list now and then, by one caller
// while the others take the count before.
absl::StatusOr<SpaceInfo> S3ObjectStore::Space(const OpContext& ctx) {
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, client_->clock()));
  const std::uint64_t total = client_->settings().quota_bytes;
  if (total == 0) {
    return SpaceInfo{.total_bytes = kUnlimitedSpaceBytes, .free_bytes = kUnlimitedSpaceBytes};
  }
  const auto space = [total](std::uint64_t used) {
    return SpaceInfo{.total_bytes = total, .free_bytes = total - std::min(total, used)};
  };
  const absl::Time now = client_->clock().Now();
  {
    MutexLock lock(space_mutex_);
    const bool is_first = counted_at_ == absl::InfinitePast();
    const bool is_fresh = now - counted_at_ < kCountEvery && now >= counted_at_;
    if (is_fresh || (is_counting_ && !is_first)) return space(used_bytes_);
    is_counting_ = true;
  }
  std::uint64_t used = 0;
  const absl::Status listed = List(ctx, "", [&used](const ObjectInfo& info) {
    used += info.size_bytes;
    return absl::OkStatus();
  });
  MutexLock lock(space_mutex_);
  is_counting_ = false;
  MOORING_RETURN_IF_ERROR(listed);
  counted_at_ = now;
  used_bytes_ = used;
  return space(used);
}

absl::Status S3ObjectStore::AbortStaleUploads(const OpContext& ctx) {
  S3Request request{.method = "GET"};
  request.query = {{"uploads", ""}, {"encoding-type", "url"}, {"prefix", client_->FullKey("")}};
  MOORING_ASSIGN_OR_RETURN(const HttpReply reply, client_->Call(ctx, request));
  MOORING_ASSIGN_OR_RETURN(const std::vector<S3Upload> uploads, ParseS3UploadPage(reply.text));
  const absl::Time stale = client_->clock().Now() - kS3UploadStaleAfter;
  for (const S3Upload& upload : uploads) {
    const std::optional<std::string_view> key = client_->OwnKey(upload.key);
    if (upload.begun_at > stale || !key || !CheckObjectKey(*key).ok()) continue;
    S3Request abort{.method = "DELETE", .key = std::string(*key)};
    abort.query = {{"uploadId", upload.id}};
    const absl::Status aborted = client_->Call(ctx, abort).status();
    if (!aborted.ok() && !absl::IsNotFound(aborted)) return aborted;
  }
  return absl::OkStatus();
}

}  // namespace mooring::storage
