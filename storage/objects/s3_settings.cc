#include "storage/objects/s3_settings.h"

#include <algorithm>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {
namespace {

constexpr std::string_view kScheme = "s3://";
constexpr std::size_t kPrefixBytesMax = 255;

absl::Status Wrong(std::string_view what, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", what, why));
}

bool IsBucketCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

absl::Status CheckBucket(std::string_view bucket) {
  if (bucket.size() < 3 || bucket.size() > 63 ||
      !std::all_of(bucket.begin(), bucket.end(), IsBucketCharacter) || bucket.front() == '.' ||
      bucket.front() == '-' || bucket.find("..") != std::string_view::npos) {
    return Wrong("bucket", fmt::format("\"{}\" is no name of a bucket (3 to 63 of a-z, 0-9, '-' "
                                       "and '.')",
                                       bucket.substr(0, 100)));
  }
  return absl::OkStatus();
}

bool IsHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == ':' || c == '[' || c == ']';
}

absl::Status CheckEndpoint(std::string_view endpoint) {
  const std::size_t scheme = endpoint.find("://");
  const std::string_view name = endpoint.substr(0, std::min(scheme, endpoint.size()));
  const std::string_view host =
      scheme == std::string_view::npos ? std::string_view() : endpoint.substr(scheme + 3);
  if ((name != "https" && name != "http") || host.empty() || host.size() > 255 ||
      !std::all_of(host.begin(), host.end(), IsHostCharacter)) {
    return Wrong("endpoint", fmt::format("\"{}\" is not https://HOST[:PORT], without a path",
                                         endpoint.substr(0, 100)));
  }
  return absl::OkStatus();
}

}  // namespace

bool IsS3Url(std::string_view text) {
  return text.substr(0, 3) == "s3:";
}

absl::StatusOr<S3Url> ParseS3Url(std::string_view text) {
  if (text.substr(0, kScheme.size()) != kScheme) {
    return Wrong("repository",
                 fmt::format("\"{}\" is not s3://BUCKET[/PREFIX]", text.substr(0, 100)));
  }
  text.remove_prefix(kScheme.size());
  S3Url url;
  const std::size_t slash = text.find('/');
  url.bucket = std::string(text.substr(0, slash));
  if (slash != std::string_view::npos) url.prefix = std::string(text.substr(slash + 1));
  while (!url.prefix.empty() && url.prefix.back() == '/') url.prefix.pop_back();
  MOORING_RETURN_IF_ERROR(CheckBucket(url.bucket));
  if (url.prefix.size() > kPrefixBytesMax) {
    return Wrong("prefix", fmt::format("longer than {} bytes", kPrefixBytesMax));
  }
  // No names beyond those of keys, so that nothing in a path ever needs an escape.
  if (!url.prefix.empty()) MOORING_RETURN_IF_ERROR(Annotate(CheckObjectKey(url.prefix), "prefix"));
  return url;
}

absl::Status CheckS3Settings(S3Settings& settings) {
  MOORING_RETURN_IF_ERROR(CheckBucket(settings.bucket));
  if (settings.region.empty()) settings.region = "us-east-1";
  if (settings.region.size() > 64 ||
      !std::all_of(settings.region.begin(), settings.region.end(),
                   [](char c) { return IsBucketCharacter(c) || c == '_'; })) {
    return Wrong("region", fmt::format("\"{}\" is no name of a region", settings.region));
  }
  if (settings.endpoint.empty()) {
    settings.endpoint = fmt::format("https://s3.{}.amazonaws.com", settings.region);
    // AWS wants it so; a dot in the bucket's name would not match its certificate.
    settings.bucket_in_host = settings.bucket.find('.') == std::string::npos;
  }
  while (settings.endpoint.back() == '/') settings.endpoint.pop_back();
  return CheckEndpoint(settings.endpoint);
}

S3Address AddressOf(const S3Settings& settings) {
  const std::size_t after_scheme = settings.endpoint.find("://") + 3;
  const std::string scheme = settings.endpoint.substr(0, after_scheme);
  std::string host = settings.endpoint.substr(after_scheme);
  S3Address address;
  if (settings.bucket_in_host) {
    host = fmt::format("{}.{}", settings.bucket, host);
  } else {
    address.path = "/" + settings.bucket;
  }
  address.origin = scheme + host;
  address.host = host;
  return address;
}

}  // namespace mooring::storage
