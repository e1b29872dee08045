// TLS of the gRPC listeners. Everything that gRPC calls experimental and that we
// use is behind this header.

#pragma once

#include <memory>
#include <string>

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_context.h>

#include "server/auth/authenticator.h"

namespace mooring::server {

// PEM files; a change on disk is seen within a minute, without a restart.
struct TlsFiles {
  std::string certificate_chain;
  std::string private_key;
  std::string client_ca;
};

// Makes TLS 1.3 the only version of every gRPC endpoint of this process. Call in
// main before anything of gRPC runs: gRPC 1.51 reads it once, from the environment.
void RequireTls13();

enum class ClientCertificate { kNone, kRequired };

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const TlsFiles& files,
                                                               ClientCertificate client);

// What the connection and the metadata of a call say of its caller.
PeerEvidence EvidenceOf(const grpc::ServerContextBase& context);

}  // namespace mooring::server
