#include "storage/objects/sigv4.h"

#include <algorithm>

#include <fmt/format.h>

namespace mooring::storage {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

bool IsUnreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// Without leading and trailing blanks, and with one for every run of them.
std::string TrimAll(std::string_view value) {
  std::string trimmed;
  for (const char c : value) {
    const bool is_blank = c == ' ' || c == '\t';
    if (is_blank && (trimmed.empty() || trimmed.back() == ' ')) continue;
    trimmed += is_blank ? ' ' : c;
  }
  if (!trimmed.empty() && trimmed.back() == ' ') trimmed.pop_back();
  return trimmed;
}

std::string SignedHeaders(const S3Pairs& sorted) {
  std::string names;
  for (const auto& [name, value] : sorted) {
    if (!names.empty()) names += ';';
    names += name;
  }
  return names;
}

std::string CanonicalRequest(const SigV4Request& request, const S3Pairs& sorted) {
  std::string text =
      fmt::format("{}\n{}\n{}\n", request.method, request.path, CanonicalQuery(request.query));
  for (const auto& [name, value] : sorted) text += fmt::format("{}:{}\n", name, TrimAll(value));
  text += fmt::format("\n{}\n{}", SignedHeaders(sorted), request.payload_sha256_hex);
  return text;
}

}  // namespace

std::string UriEncode(std::string_view text, bool keep_slash) {
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (IsUnreserved(c) || (keep_slash && c == '/')) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string CanonicalQuery(const S3Pairs& query) {
  S3Pairs encoded;
  for (const auto& [name, value] : query) encoded.emplace_back(UriEncode(name), UriEncode(value));
  std::sort(encoded.begin(), encoded.end());
  std::string text;
  for (const auto& [name, value] : encoded) {
    if (!text.empty()) text += '&';
    text += fmt::format("{}={}", name, value);
  }
  return text;
}

std::string SigV4Time(absl::Time at) {
  return absl::FormatTime("%Y%m%dT%H%M%SZ", at, absl::UTCTimeZone());
}

Sha256Bytes SigV4Key(ByteView secret_access_key, std::string_view day, const SigV4Scope& scope) {
  SecretBytes seed(4 + secret_access_key.size());
  const ByteView label = AsBytes("AWS4");
  std::copy(label.begin(), label.end(), seed.writable().begin());
  std::copy(secret_access_key.begin(), secret_access_key.end(), seed.writable().begin() + 4);
  Sha256Bytes key = S3HmacSha256(seed.view(), AsBytes(day));
  key = S3HmacSha256(key, AsBytes(scope.region));
  key = S3HmacSha256(key, AsBytes(scope.service));
  return S3HmacSha256(key, AsBytes("aws4_request"));
}

std::string SigV4Authorization(const SigV4Request& request, const SigV4Scope& scope,
                               const S3Credentials& credentials) {
  S3Pairs sorted = request.headers;
  std::sort(sorted.begin(), sorted.end());
  const std::string time = SigV4Time(request.at);
  const std::string_view day = std::string_view(time).substr(0, 8);
  const std::string credential_scope =
      fmt::format("{}/{}/{}/aws4_request", day, scope.region, scope.service);
  const std::string to_sign =
      fmt::format("{}\n{}\n{}\n{}", kAlgorithm, time, credential_scope,
                  ToHex(S3Sha256(AsBytes(CanonicalRequest(request, sorted)))));
  const Sha256Bytes key = SigV4Key(credentials.secret_access_key.view(), day, scope);
  return fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                     credentials.access_key_id, credential_scope, SignedHeaders(sorted),
                     ToHex(S3HmacSha256(key, AsBytes(to_sign))));
}

}  // namespace mooring::storage
