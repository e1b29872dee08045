#include "tests/support/mini_s3.h"

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <utility>

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include "tests/support/mini_s3_signature.h"

namespace mooring::testing {
namespace {

std::string Decode(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::strtoul(text.substr(i + 1, 2).c_str(), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::map<std::string, std::string> QueryOf(const std::string& target) {
  std::map<std::string, std::string> query;
  const std::size_t mark = target.find('?');
  if (mark == std::string::npos) return query;
  std::string rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string pair = rest.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    query[Decode(pair.substr(0, equals))] =
        equals < pair.size() ? Decode(pair.substr(equals + 1)) : "";
    rest = rest.substr(std::min(end + 1, rest.size()));
  }
  return query;
}

std::string Header(const MiniHttpRequest& request, const std::string& name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? "" : found->second;
}

MiniHttpReply ErrorReply(int status, const std::string& code, const std::string& message = "") {
  MiniHttpReply reply;
  reply.status = status;
  reply.headers.emplace_back("Content-Type", "application/xml");
  reply.body = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>"
      "</Error>",
      code, message);
  return reply;
}

MiniHttpReply XmlReply(const std::string& root, const std::string& inside) {
  MiniHttpReply reply;
  reply.headers.emplace_back("Content-Type", "application/xml");
  reply.body = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<{0} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{1}</{0}>",
      root, inside);
  return reply;
}

std::string IsoTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

int StatusOfCode(const std::string& code) {
  return code == "AuthorizationHeaderMalformed" || code == "XAmzContentSHA256Mismatch" ? 400 : 403;
}

}  // namespace

MiniS3::MiniS3(Clock& clock, MiniS3Options options)
    : clock_(clock),
      options_(std::move(options)),
      secrets_{{options_.access_key, options_.secret_key}},
      http_([this](const MiniHttpRequest& request) { return Answer(request); }) {}

void MiniS3::Fail(MiniS3Fault fault, const std::string& match, int times, int skip) {
  MutexLock lock(mutex_);
  plan_.push_back({.fault = fault, .match = match, .skip = skip, .times = times});
}

void MiniS3::Heal() {
  MutexLock lock(mutex_);
  plan_.clear();
}

void MiniS3::SetCredentials(const std::string& access_key, const std::string& secret_key) {
  MutexLock lock(mutex_);
  secrets_ = {{access_key, secret_key}};
}

std::vector<std::string> MiniS3::TakeLog() {
  MutexLock lock(mutex_);
  return std::exchange(log_, {});
}

int MiniS3::Count(const std::string& match) {
  MutexLock lock(mutex_);
  return static_cast<int>(std::count_if(log_.begin(), log_.end(), [&](const std::string& line) {
    return line.find(match) != std::string::npos;
  }));
}

MiniHttpRequest MiniS3::last_request() {
  MutexLock lock(mutex_);
  return last_request_;
}

std::string MiniS3::Body(const std::string& key) {
  MutexLock lock(mutex_);
  const Version* const newest = Newest(key);
  return newest == nullptr ? "" : newest->body;
}

void MiniS3::SetBody(const std::string& key, const std::string& body) {
  MutexLock lock(mutex_);
  if (Version* const newest = Newest(key)) {
    newest->body = body;
  } else {
    Store(key, body, EtagOf(body), "");
  }
}

std::size_t MiniS3::Versions(const std::string& key) {
  MutexLock lock(mutex_);
  const auto found = objects_.find(key);
  return found == objects_.end() ? 0 : found->second.size();
}

std::size_t MiniS3::open_uploads() {
  MutexLock lock(mutex_);
  return uploads_.size();
}

void MiniS3::AgeUploads(absl::Time begun_at) {
  MutexLock lock(mutex_);
  for (auto& [id, upload] : uploads_) upload.begun_at = begun_at;
}

std::optional<MiniS3Fault> MiniS3::FaultOf(const std::string& line) {
  for (Planned& planned : plan_) {
    if (planned.times == 0 || line.find(planned.match) == std::string::npos) continue;
    if (planned.skip-- > 0) continue;
    --planned.times;
    return planned.fault;
  }
  return std::nullopt;
}

MiniHttpReply MiniS3::Answer(const MiniHttpRequest& request) {
  MutexLock lock(mutex_);
  last_request_ = request;
  const std::string line = request.method + " " + request.target;
  log_.push_back(line);
  const std::string code = CheckS3Signature(request, secrets_, clock_.Now());
  if (!code.empty()) return ErrorReply(StatusOfCode(code), code);
  const std::string path = request.target.substr(0, request.target.find('?'));
  const std::string bucket = "/" + options_.bucket + "/";
  if (path.rfind(bucket, 0) != 0) return ErrorReply(404, "NoSuchBucket");
  const Call call{.http = request,
                  .key = path.substr(bucket.size()),
                  .query = QueryOf(request.target),
                  .fault = FaultOf(line)};
  if (!call.fault) return Do(call);
  switch (*call.fault) {
    case MiniS3Fault::kInternalError:
      return ErrorReply(500, "InternalError");
    case MiniS3Fault::kSlowDown:
      return ErrorReply(503, "SlowDown");
    case MiniS3Fault::kExpired:
      return ErrorReply(400, "ExpiredToken", "The provided token has expired.");
    case MiniS3Fault::kDenied:
      return ErrorReply(403, "AccessDenied", "Access Denied");
    case MiniS3Fault::kAbsent:
      return ErrorReply(404, "NoSuchKey");
    case MiniS3Fault::kErrorUnder200:
      return ErrorReply(200, "InternalError");
    case MiniS3Fault::kForgetUpload:
      uploads_.clear();
      return ErrorReply(404, "NoSuchUpload");
    default:
      break;
  }
  MiniHttpReply reply;
  if (*call.fault != MiniS3Fault::kDropBefore) reply = Do(call);
  if (*call.fault == MiniS3Fault::kCutAnswer) reply.cut_after = reply.body.size() / 2;
  reply.is_stalled = *call.fault == MiniS3Fault::kStallAfter;
  reply.is_dropped =
      *call.fault == MiniS3Fault::kDropAfter || *call.fault == MiniS3Fault::kDropBefore;
  if (*call.fault == MiniS3Fault::kWrongEtag) {
    for (auto& [name, value] : reply.headers) {
      if (name == "ETag") value = "\"00000000000000000000000000000000\"";
    }
  }
  return reply;
}

MiniHttpReply MiniS3::Do(const Call& call) {
  if (call.key.empty()) return OnBucket(call);
  if (call.Has("retention")) return OnRetention(call);
  if (call.Has("uploads") || call.Has("uploadId")) return OnUpload(call);
  if (call.http.method == "PUT") return OnPut(call);
  if (call.http.method == "GET" || call.http.method == "HEAD") return OnRead(call);
  if (call.http.method == "DELETE") return OnDelete(call);
  return ErrorReply(405, "MethodNotAllowed");
}

MiniHttpReply MiniS3::OnBucket(const Call& call) {
  if (call.http.method != "GET") return ErrorReply(405, "MethodNotAllowed");
  if (call.Has("versioning")) {
    return XmlReply("VersioningConfiguration",
                    options_.versioning ? "<Status>Enabled</Status>" : "");
  }
  if (call.Has("object-lock")) {
    if (!options_.versioning) return ErrorReply(404, "ObjectLockConfigurationNotFoundError");
    return XmlReply("ObjectLockConfiguration",
                    std::string("<ObjectLockEnabled>Enabled</ObjectLockEnabled>") +
                        (options_.default_retention
                             ? "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days>"
                               "</DefaultRetention></Rule>"
                             : ""));
  }
  if (call.Has("versions")) return ListVersions(call);
  if (call.Has("uploads")) return ListUploads();
  return ListObjects(call);
}

MiniHttpReply MiniS3::OnPut(const Call& call) {
  const std::string md5 = Header(call.http, "content-md5");
  if (!md5.empty() && md5 != Base64Of(RawMd5(call.http.body))) return ErrorReply(400, "BadDigest");
  const std::string checksum =
      options_.checksum_sha256 ? Header(call.http, "x-amz-checksum-sha256") : "";
  if (!checksum.empty() && checksum != Base64Of(RawSha256(call.http.body))) {
    return ErrorReply(400, "BadDigest");
  }
  if (options_.conditional_put && Header(call.http, "if-none-match") == "*" &&
      Newest(call.key) != nullptr) {
    return ErrorReply(412, "PreconditionFailed");
  }
  std::string body = call.http.body;
  if (call.fault == MiniS3Fault::kStoreHalf) body.resize(body.size() / 2);
  const Version& stored = Store(call.key, body, EtagOf(body), checksum);
  MiniHttpReply reply;
  reply.headers.emplace_back("ETag", "\"" + stored.etag + "\"");
  if (!stored.id.empty()) reply.headers.emplace_back("x-amz-version-id", stored.id);
  return reply;
}

MiniHttpReply MiniS3::OnRead(const Call& call) {
  const Version* const newest = Newest(call.key);
  if (newest == nullptr) return ErrorReply(404, "NoSuchKey");
  MiniHttpReply reply;
  reply.headers.emplace_back("ETag", "\"" + newest->etag + "\"");
  reply.headers.emplace_back(
      "Last-Modified",
      absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", newest->stored_at, absl::UTCTimeZone()));
  if (!newest->id.empty()) reply.headers.emplace_back("x-amz-version-id", newest->id);
  if (!newest->checksum.empty() && Header(call.http, "x-amz-checksum-mode") == "ENABLED") {
    reply.headers.emplace_back("x-amz-checksum-sha256", newest->checksum);
  }
  if (newest->locked_until != absl::InfinitePast()) {
    reply.headers.emplace_back("x-amz-object-lock-mode", "COMPLIANCE");
    reply.headers.emplace_back("x-amz-object-lock-retain-until-date",
                               IsoTime(newest->locked_until));
  }
  if (call.http.method == "HEAD") {
    reply.told_length = newest->body.size();
    return reply;
  }
  std::smatch range;
  const std::string wanted = Header(call.http, "range");
  if (!std::regex_match(wanted, range, std::regex("bytes=([0-9]+)-([0-9]+)"))) {
    reply.body = newest->body;
    return reply;
  }
  const std::size_t first = std::strtoull(range[1].str().c_str(), nullptr, 10);
  const std::size_t last = std::strtoull(range[2].str().c_str(), nullptr, 10);
  if (first >= newest->body.size()) return ErrorReply(416, "InvalidRange");
  reply.status = 206;
  reply.body = newest->body.substr(first, last - first + 1);
  reply.headers.emplace_back(
      "Content-Range",
      fmt::format("bytes {}-{}/{}", first, first + reply.body.size() - 1, newest->body.size()));
  return reply;
}

MiniHttpReply MiniS3::OnDelete(const Call& call) {
  MiniHttpReply done;
  done.status = 204;
  if (!options_.versioning) {
    objects_.erase(call.key);
    return done;
  }
  std::vector<Version>& versions = objects_[call.key];
  if (!call.Has("versionId")) {
    Version marker;
    marker.id = fmt::format("v{}", next_id_++);
    marker.stored_at = clock_.Now();
    marker.is_marker = true;
    versions.push_back(marker);
    return done;
  }
  const std::string id = call.query.at("versionId");
  const auto found = std::find_if(versions.begin(), versions.end(),
                                  [&id](const Version& v) { return v.id == id; });
  if (found != versions.end()) {
    if (found->locked_until > clock_.Now()) return ErrorReply(403, "AccessDenied", "Access Denied");
    versions.erase(found);
  }
  if (versions.empty()) objects_.erase(call.key);
  return done;
}

MiniHttpReply MiniS3::OnRetention(const Call& call) {
  if (!options_.versioning) return ErrorReply(400, "InvalidRequest", "no object lock");
  Version* const newest = Newest(call.key);
  if (newest == nullptr) return ErrorReply(404, "NoSuchKey");
  std::smatch match;
  static const std::regex kUntil("<Mode>COMPLIANCE</Mode><RetainUntilDate>([^<]+)</");
  absl::Time until;
  std::string error;
  if (!std::regex_search(call.http.body, match, kUntil) ||
      !absl::ParseTime(absl::RFC3339_full, match[1].str(), &until, &error)) {
    return ErrorReply(400, "MalformedXML");
  }
  if (Header(call.http, "content-md5") != Base64Of(RawMd5(call.http.body))) {
    return ErrorReply(400, "InvalidRequest", "Content-MD5 is required");
  }
  if (call.query.count("versionId") > 0 && call.query.at("versionId") != newest->id) {
    return ErrorReply(404, "NoSuchVersion");
  }
  if (until < newest->locked_until) return ErrorReply(403, "AccessDenied", "Access Denied");
  newest->locked_until = until;
  return {};
}

MiniHttpReply MiniS3::OnUpload(const Call& call) {
  if (call.http.method == "POST" && call.Has("uploads")) {
    const std::string id = fmt::format("upload/{}+&", next_id_++);
    uploads_[id] = {.key = call.key, .begun_at = clock_.Now(), .parts = {}};
    return XmlReply(
        "InitiateMultipartUploadResult",
        fmt::format("<Key>{}</Key><UploadId>upload/{}+&amp;</UploadId>", call.key, next_id_ - 1));
  }
  const auto found = uploads_.find(call.query.at("uploadId"));
  if (found == uploads_.end() || found->second.key != call.key) {
    return ErrorReply(404, "NoSuchUpload");
  }
  if (call.http.method == "DELETE") {
    uploads_.erase(found);
    MiniHttpReply done;
    done.status = 204;
    return done;
  }
  if (call.http.method == "POST") {
    const MiniHttpReply reply = OnComplete(call, found->second);
    if (reply.status == 200) uploads_.erase(call.query.at("uploadId"));
    return reply;
  }
  if (Header(call.http, "content-md5") != Base64Of(RawMd5(call.http.body))) {
    return ErrorReply(400, "BadDigest");
  }
  if (call.fault != MiniS3Fault::kLosePart) {
    found->second.parts[std::atoi(call.query.at("partNumber").c_str())] = call.http.body;
  }
  MiniHttpReply reply;
  reply.headers.emplace_back("ETag", "\"" + EtagOf(call.http.body) + "\"");
  return reply;
}

MiniHttpReply MiniS3::OnComplete(const Call& call, Upload& upload) {
  static const std::regex kPart(
      "<PartNumber>([0-9]+)</PartNumber><ETag>&quot;([^<&]+)&quot;</ETag>");
  std::string body;
  std::string md5s;
  std::string sha256s;
  int parts = 0;
  const std::string& xml = call.http.body;
  for (std::sregex_iterator it(xml.begin(), xml.end(), kPart), end; it != end; ++it) {
    const auto part = upload.parts.find(std::atoi((*it)[1].str().c_str()));
    if (part == upload.parts.end() || EtagOf(part->second) != (*it)[2].str()) {
      return ErrorReply(400, "InvalidPart");
    }
    body += part->second;
    md5s += RawMd5(part->second);
    sha256s += RawSha256(part->second);
    ++parts;
  }
  if (parts == 0) return ErrorReply(400, "MalformedXML");
  std::string etag = fmt::format("{}-{}", EtagOf(md5s), parts);
  std::string checksum =
      options_.checksum_sha256 ? fmt::format("{}-{}", Base64Of(RawSha256(sha256s)), parts) : "";
  if (call.fault == MiniS3Fault::kStoreHalf) {
    body.resize(body.size() / 2);
    etag = EtagOf(body) + "-1";
    checksum.clear();
  }
  Store(call.key, std::move(body), etag, checksum);
  return XmlReply("CompleteMultipartUploadResult", "<ETag>\"" + etag + "\"</ETag>");
}

MiniHttpReply MiniS3::ListObjects(const Call& call) {
  const auto value = [&call](const std::string& name) {
    return call.Has(name) ? call.query.at(name) : "";
  };
  const std::string prefix = value("prefix");
  std::string inside = fmt::format("<Name>{}</Name>", options_.bucket);
  std::size_t count = 0;
  std::string last;
  bool is_truncated = false;
  auto it = call.Has("continuation-token") ? objects_.upper_bound(value("continuation-token"))
                                           : objects_.lower_bound(prefix);
  for (; it != objects_.end() && it->first.rfind(prefix, 0) == 0; ++it) {
    const Version* const newest = Newest(it->first);
    if (newest == nullptr) continue;
    if (count++ == options_.page_keys) {
      is_truncated = true;
      break;
    }
    last = it->first;
    inside += fmt::format(
        "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>&quot;{}&quot;</ETag>"
        "<Size>{}</Size></Contents>",
        it->first, IsoTime(newest->stored_at), newest->etag, newest->body.size());
  }
  inside += fmt::format("<IsTruncated>{}</IsTruncated>", is_truncated);
  if (is_truncated) {
    inside += fmt::format("<NextContinuationToken>{}</NextContinuationToken>", last);
  }
  return XmlReply("ListBucketResult", inside);
}

MiniHttpReply MiniS3::ListVersions(const Call& call) {
  const std::string prefix = call.query.at("prefix");
  std::string inside;
  for (auto it = objects_.lower_bound(prefix);
       it != objects_.end() && it->first.rfind(prefix, 0) == 0; ++it) {
    for (auto v = it->second.rbegin(); v != it->second.rend(); ++v) {
      inside += fmt::format("<{0}><Key>{1}</Key><VersionId>{2}</VersionId></{0}>",
                            v->is_marker ? "DeleteMarker" : "Version", it->first, v->id);
    }
  }
  return XmlReply("ListVersionsResult", inside + "<IsTruncated>false</IsTruncated>");
}

MiniHttpReply MiniS3::ListUploads() {
  std::string inside;
  for (const auto& [id, upload] : uploads_) {
    std::string escaped = id;
    const std::size_t ampersand = escaped.find('&');
    escaped.replace(ampersand, 1, "&amp;");
    inside += fmt::format(
        "<Upload><Key>{}</Key><UploadId>{}</UploadId><Initiated>{}</Initiated></Upload>",
        upload.key, escaped, IsoTime(upload.begun_at));
  }
  return XmlReply("ListMultipartUploadsResult", inside + "<IsTruncated>false</IsTruncated>");
}

MiniS3::Version* MiniS3::Newest(const std::string& key) {
  const auto found = objects_.find(key);
  if (found == objects_.end() || found->second.empty()) return nullptr;
  Version& newest = found->second.back();
  return newest.is_marker ? nullptr : &newest;
}

const MiniS3::Version& MiniS3::Store(const std::string& key, std::string body, std::string etag,
                                     std::string checksum) {
  std::vector<Version>& versions = objects_[key];
  if (!options_.versioning) versions.clear();
  Version version;
  if (options_.versioning) version.id = fmt::format("v{}", next_id_++);
  version.body = std::move(body);
  version.etag = std::move(etag);
  version.checksum = std::move(checksum);
  version.stored_at = clock_.Now();
  versions.push_back(std::move(version));
  return versions.back();
}

std::string MiniS3::EtagOf(const std::string& body) const {
  return HexMd5(options_.etag_is_md5 ? body : body + "encrypted");
}

}  // namespace mooring::testing
