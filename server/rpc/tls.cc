#include "server/rpc/tls.h"

#include <cstdlib>
#include <vector>

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

namespace mooring::server {
namespace {

constexpr unsigned kRefreshSeconds = 60;

}  // namespace

void RequireTls13() {
  // 1.51 has no setting for the least version. This list is for TLS 1.2 and
  // below alone (1.3 has its own); a pre-shared-key suite without any such key
  // cannot be negotiated, so nothing below 1.3 can be.
  setenv("GRPC_SSL_CIPHER_SUITES", "PSK-AES256-GCM-SHA384", 1);
}

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const TlsFiles& files,
                                                               ClientCertificate client) {
  const bool required = client == ClientCertificate::kRequired;
  auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      files.private_key, files.certificate_chain, required ? files.client_ca : "", kRefreshSeconds);
  grpc::experimental::TlsServerCredentialsOptions options(provider);
  options.watch_identity_key_cert_pairs();
  if (required) options.watch_root_certs();
  options.set_cert_request_type(required
                                    ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                    : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(options);
}

PeerEvidence EvidenceOf(const grpc::ServerContextBase& context) {
  PeerEvidence evidence;
  evidence.address = context.peer();
  const auto authorization = context.client_metadata().find("authorization");
  if (authorization != context.client_metadata().end()) {
    evidence.authorization.assign(authorization->second.data(), authorization->second.size());
  }
  const auto auth = context.auth_context();
  if (auth != nullptr && auth->IsPeerAuthenticated()) {
    const std::vector<grpc::string_ref> pem =
        auth->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
    if (!pem.empty()) evidence.certificate.assign(pem[0].data(), pem[0].size());
  }
  return evidence;
}

}  // namespace mooring::server
