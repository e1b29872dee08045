#include "tests/support/mini_s3_signature.h"

#include <algorithm>
#include <sstream>
#include <vector>

#include <absl/strings/escaping.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "storage/base/check.h"

namespace mooring::testing {
namespace {

std::string Digest(const char* name, const std::string& text) {
  EVP_MD* const method = EVP_MD_fetch(nullptr, name, nullptr);
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  MOORING_CHECK(EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(out.data()),
                           &size, method, nullptr) == 1);
  EVP_MD_free(method);
  out.resize(size);
  return out;
}

std::string Hmac(const std::string& key, const std::string& text) {
  EVP_MAC* const method = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  EVP_MAC_CTX* const context = EVP_MAC_CTX_new(method);
  std::string digest = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string("digest", digest.data(), 0),
                                   OSSL_PARAM_construct_end()};
  std::string out(EVP_MAX_MD_SIZE, '\0');
  std::size_t size = 0;
  MOORING_CHECK(
      EVP_MAC_init(context, reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                   parameters) == 1 &&
      EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(text.data()), text.size()) ==
          1 &&
      EVP_MAC_final(context, reinterpret_cast<unsigned char*>(out.data()), &size, out.size()) == 1);
  EVP_MAC_CTX_free(context);
  EVP_MAC_free(method);
  out.resize(size);
  return out;
}

std::vector<std::string> Split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, by);) parts.push_back(part);
  return parts;
}

// NAME=VALUE of "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...".
std::string FieldOf(const std::string& authorization, const std::string& name) {
  const std::size_t at = authorization.find(name + "=");
  if (at == std::string::npos) return "";
  const std::size_t start = at + name.size() + 1;
  return authorization.substr(start, authorization.find(',', start) - start);
}

std::string HeaderOf(const MiniHttpRequest& request, const std::string& name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? "" : found->second;
}

std::string CanonicalRequestOf(const MiniHttpRequest& request, const std::string& signed_headers) {
  const std::size_t mark = request.target.find('?');
  const std::string query = mark == std::string::npos ? "" : request.target.substr(mark + 1);
  std::vector<std::string> pairs = Split(query, '&');
  for (std::string& pair : pairs) {
    if (pair.find('=') == std::string::npos) pair += "=";
  }
  std::sort(pairs.begin(), pairs.end());
  std::string text = request.method + "\n" + request.target.substr(0, mark) + "\n";
  for (std::size_t i = 0; i < pairs.size(); ++i) text += (i > 0 ? "&" : "") + pairs[i];
  text += "\n";
  for (const std::string& name : Split(signed_headers, ';')) {
    text += name + ":" + HeaderOf(request, name) + "\n";
  }
  return text + "\n" + signed_headers + "\n" + HeaderOf(request, "x-amz-content-sha256");
}

// host and every x-amz header must be covered, or they could be changed on the way.
bool CoversAll(const MiniHttpRequest& request, const std::string& signed_headers) {
  const std::vector<std::string> names = Split(signed_headers, ';');
  for (const auto& [name, value] : request.headers) {
    const bool must_be_signed = name == "host" || name.rfind("x-amz-", 0) == 0;
    if (must_be_signed && std::find(names.begin(), names.end(), name) == names.end()) return false;
  }
  return std::is_sorted(names.begin(), names.end());
}

}  // namespace

std::string RawSha256(const std::string& text) {
  return Digest("SHA256", text);
}
std::string RawMd5(const std::string& text) {
  return Digest("MD5", text);
}
std::string HexOf(const std::string& raw) {
  return absl::BytesToHexString(raw);
}
std::string HexSha256(const std::string& text) {
  return HexOf(RawSha256(text));
}
std::string HexMd5(const std::string& text) {
  return HexOf(RawMd5(text));
}
std::string Base64Of(const std::string& raw) {
  return absl::Base64Escape(raw);
}

std::string CheckS3Signature(const MiniHttpRequest& request,
                             const std::map<std::string, std::string>& secrets, absl::Time now) {
  const std::string authorization = HeaderOf(request, "authorization");
  if (authorization.rfind("AWS4-HMAC-SHA256 ", 0) != 0) return "AccessDenied";
  const std::vector<std::string> scope = Split(FieldOf(authorization, "Credential"), '/');
  const std::string signed_headers = FieldOf(authorization, "SignedHeaders");
  if (scope.size() != 5 || scope[3] != "s3" || scope[4] != "aws4_request") {
    return "AuthorizationHeaderMalformed";
  }
  const auto secret = secrets.find(scope[0]);
  if (secret == secrets.end()) return "InvalidAccessKeyId";
  const std::string date = HeaderOf(request, "x-amz-date");
  absl::Time at;
  std::string error;
  if (!absl::ParseTime("%E4Y%m%dT%H%M%SZ", date, &at, &error) || date.substr(0, 8) != scope[1]) {
    return "AuthorizationHeaderMalformed";
  }
  if (absl::AbsDuration(now - at) > absl::Minutes(15)) return "RequestTimeTooSkewed";
  if (!CoversAll(request, signed_headers)) return "AccessDenied";

  std::string key = "AWS4" + secret->second;
  for (const std::string& part : {scope[1], scope[2], scope[3], scope[4]}) key = Hmac(key, part);
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + date + "\n" + scope[1] + "/" + scope[2] + "/" +
                              scope[3] + "/" + scope[4] + "\n" +
                              HexSha256(CanonicalRequestOf(request, signed_headers));
  if (HexOf(Hmac(key, to_sign)) != FieldOf(authorization, "Signature")) {
    return "SignatureDoesNotMatch";
  }
  if (HeaderOf(request, "x-amz-content-sha256") != HexSha256(request.body)) {
    return "XAmzContentSHA256Mismatch";
  }
  return "";
}

}  // namespace mooring::testing
