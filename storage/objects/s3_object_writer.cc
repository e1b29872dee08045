#include "storage/objects/s3_object_writer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/objects/s3_errors.h"
#include "storage/objects/s3_object_store.h"
#include "storage/objects/s3_placement.h"
#include "storage/objects/s3_xml.h"

namespace mooring::storage {
namespace {

constexpr absl::Duration kAbortTime = absl::Seconds(10);
constexpr std::size_t kUploadIdBytesMax = 4096;

std::string_view WithoutQuotes(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    return etag.substr(1, etag.size() - 2);
  }
  return etag;
}

// An ETag goes back into XML as it came.
bool IsPlainEtag(std::string_view etag) {
  return !etag.empty() && etag.size() <= 256 && std::all_of(etag.begin(), etag.end(), [](char c) {
    return c > ' ' && c < 0x7F && c != '<' && c != '>' && c != '&' && c != '"';
  });
}

}  // namespace

S3ObjectWriter::S3ObjectWriter(S3Client& client, const S3Capabilities& capabilities,
                               std::string key)
    : client_(client),
      capabilities_(capabilities),
      access_(client, capabilities),
      key_(std::move(key)) {}

S3ObjectWriter::~S3ObjectWriter() {
  Abort();
}

absl::Status S3ObjectWriter::CheckSpent() const {
  if (!is_spent_) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format("object {}: its writer is spent", key_));
}

absl::Status S3ObjectWriter::Append(const OpContext& ctx, ByteView bytes) {
  MOORING_RETURN_IF_ERROR(CheckSpent());
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, client_.clock()));
  if (bytes.size() > kObjectBytesMax - size_bytes_) {
    return absl::InvalidArgumentError(
        fmt::format("object {}: longer than {} bytes", key_, kObjectBytesMax));
  }
  size_bytes_ += bytes.size();
  // Room for a part, once; what of it is not written to takes no memory.
  buffer_.reserve(kS3PartBytes);
  while (!bytes.empty()) {
    // A full part goes only when more comes: the last one may not be empty.
    if (buffer_.size() == kS3PartBytes) {
      if (absl::Status sent = SendPart(ctx); !sent.ok()) {
        is_spent_ = true;
        return sent;
      }
    }
    const std::size_t count = std::min(bytes.size(), kS3PartBytes - buffer_.size());
    mooring::Append(buffer_, bytes.first(count));
    bytes = bytes.subspan(count);
  }
  return absl::OkStatus();
}

absl::Status S3ObjectWriter::SendPart(const OpContext& ctx) {
  if (upload_id_.empty()) MOORING_RETURN_IF_ERROR(Begin(ctx));
  const S3Part part = S3PartOf(buffer_);
  MOORING_ASSIGN_OR_RETURN(std::string etag, UploadPart(ctx, part));
  sent_.Add(part);
  part_etags_.push_back(std::move(etag));
  buffer_.clear();
  return absl::OkStatus();
}

absl::Status S3ObjectWriter::Begin(const OpContext& ctx) {
  S3Request request{.method = "POST", .key = key_, .query = {{"uploads", ""}}};
  if (capabilities_.checksum_sha256) request.headers = {{"x-amz-checksum-algorithm", "SHA256"}};
  MOORING_ASSIGN_OR_RETURN(const HttpReply reply, client_.Call(ctx, request));
  MOORING_ASSIGN_OR_RETURN(const XmlElement root, ParseXml(reply.text));
  const std::string_view id = root.TextOf("UploadId");
  if (id.empty() || id.size() > kUploadIdBytesMax) {
    return absl::UnavailableError(fmt::format("object {}: the store began no upload", key_));
  }
  upload_id_ = std::string(id);
  return absl::OkStatus();
}

absl::StatusOr<std::string> S3ObjectWriter::UploadPart(const OpContext& ctx, const S3Part& part) {
  S3Request request{.method = "PUT", .key = key_};
  request.query = {{"partNumber", fmt::format("{}", part_etags_.size() + 1)},
                   {"uploadId", upload_id_}};
  request.headers = S3ChecksumHeaders(capabilities_, part);
  request.body = buffer_;
  request.digest = &part;
  S3Attempts attempts = client_.NewAttempts();
  while (true) {
    absl::StatusOr<HttpReply> reply = client_.Once(ctx, request);
    absl::Status failure = reply.status();
    if (reply.ok()) {
      const std::string_view etag = WithoutQuotes(reply->Header("etag"));
      const bool is_expected = !capabilities_.etag_is_md5 || etag == ToHex(part.md5);
      if (IsPlainEtag(etag) && is_expected) return std::string(etag);
      failure = absl::UnavailableError(
          fmt::format("object {}: the store did not keep part {} as it was given", key_,
                      part_etags_.size() + 1));
    }
    // The same part again takes the place of the one before.
    absl::Status next = attempts.Next(ctx, failure);
    if (!next.ok()) {
      if (!absl::IsNotFound(next)) return AsStoreStatus(std::move(next));
      return absl::UnavailableError(
          fmt::format("object {}: the store has dropped the upload", key_));
    }
  }
}

absl::Status S3ObjectWriter::Commit(const OpContext& ctx, absl::Time locked_until) {
  MOORING_RETURN_IF_ERROR(CheckSpent());
  is_spent_ = true;
  MOORING_ASSIGN_OR_RETURN(const S3Head head, Place(ctx));
  return access_.Lock(ctx, key_, head, locked_until);
}

absl::StatusOr<S3Head> S3ObjectWriter::Place(const OpContext& ctx) {
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, client_.clock()));
  if (upload_id_.empty()) return PlaceS3Object(ctx, client_, capabilities_, key_, buffer_);
  MOORING_RETURN_IF_ERROR(SendPart(ctx));
  return PlaceParts(ctx);
}

absl::StatusOr<S3Head> S3ObjectWriter::PlaceParts(const OpContext& ctx) {
  // Completing an upload takes the place of what is there.
  absl::StatusOr<S3Head> found = access_.Head(ctx, key_);
  if (found.ok()) {
    MOORING_ASSIGN_OR_RETURN(const bool matches, access_.Matches(ctx, key_, *found, sent_));
    if (matches) return found;
    return absl::AlreadyExistsError(fmt::format("object {}: it already holds other bytes", key_));
  }
  if (!absl::IsNotFound(found.status())) return found;
  MOORING_RETURN_IF_ERROR(Complete(ctx));
  upload_id_.clear();
  return Verify(ctx);
}

absl::Status S3ObjectWriter::Complete(const OpContext& ctx) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (std::size_t i = 0; i < part_etags_.size(); ++i) {
    body += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>&quot;{}&quot;</ETag>", i + 1,
                        part_etags_[i]);
    if (capabilities_.checksum_sha256) {
      body += fmt::format("<ChecksumSHA256>{}</ChecksumSHA256>", ToBase64(sent_.parts()[i].sha256));
    }
    body += "</Part>";
  }
  body += "</CompleteMultipartUpload>";
  S3Attempts attempts = client_.NewAttempts();
  while (true) {
    const absl::Status failure = CompleteOnce(ctx, body);
    if (failure.ok()) return failure;
    if (absl::IsAborted(failure)) {
      return absl::UnavailableError(failure.message());  // Another upload may fare better.
    }
    // An answer that was lost may have been "done": then there is no upload any more.
    const bool is_over = absl::IsNotFound(failure);
    if (is_over || absl::IsUnavailable(failure)) {
      const absl::StatusOr<S3Head> head = access_.Head(ctx, key_);
      if (head.ok()) return absl::OkStatus();  // Verify looks at what it is.
      if (!absl::IsNotFound(head.status())) return head.status();
    }
    if (is_over) {
      return absl::UnavailableError(
          fmt::format("object {}: the store has dropped the upload", key_));
    }
    absl::Status next = attempts.Next(ctx, failure);
    if (!next.ok()) return AsStoreStatus(std::move(next));
  }
}

absl::Status S3ObjectWriter::CompleteOnce(const OpContext& ctx, const std::string& body) {
  S3Request request{.method = "POST", .key = key_, .query = {{"uploadId", upload_id_}}};
  request.body = AsBytes(body);
  MOORING_ASSIGN_OR_RETURN(const HttpReply reply, client_.Once(ctx, request));
  // S3 begins to answer before it knows, so a failure can come under 200.
  const S3Error error = ParseS3Error(reply.text);
  if (!error.code.empty()) {
    return S3ErrorStatus(reply.status, error, fmt::format("object {}: complete", key_));
  }
  return absl::OkStatus();
}

absl::StatusOr<S3Head> S3ObjectWriter::Verify(const OpContext& ctx) {
  absl::StatusOr<S3Head> head = access_.HeadExpected(ctx, key_, kS3HeadsAfterPut);
  if (!head.ok() && !absl::IsNotFound(head.status())) return head;
  if (head.ok()) {
    MOORING_ASSIGN_OR_RETURN(const bool matches, access_.Matches(ctx, key_, *head, sent_));
    if (matches) return head;
    access_.Remove(ctx, key_).IgnoreError();
  }
  return absl::UnavailableError(
      fmt::format("object {}: the store did not keep the parts that it was given", key_));
}

void S3ObjectWriter::Abort() {
  if (upload_id_.empty()) return;
  const OpContext ctx{.deadline = client_.clock().Now() + kAbortTime, .stop = {}};
  S3Request request{.method = "DELETE", .key = key_, .query = {{"uploadId", upload_id_}}};
  // Best effort: the store's next start aborts what is left.
  client_.Call(ctx, request).status().IgnoreError();
  upload_id_.clear();
}

}  // namespace mooring::storage
