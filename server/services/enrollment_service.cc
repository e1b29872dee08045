#include "server/services/enrollment_service.h"

#include <fmt/format.h>

#include "proto/invitation_token.h"
#include "proto/protocol_version.h"
#include "server/log/json_text.h"
#include "server/rpc/method_names.h"
#include "server/rpc/tls.h"
#include "server/services/proto_time.h"
#include "server/services/session_desk.h"
#include "storage/base/status.h"
#include "storage/catalog/invitation_store.h"
#include "storage/seal/digest.h"

namespace mooring::server {
namespace {

constexpr std::size_t kHpkeKeyBytes = 32;
constexpr std::size_t kHostnameBytesMax = 253;
constexpr std::size_t kVersionBytesMax = 64;

absl::Status CheckRequest(const v1::EnrollRequest& request) {
  if (request.secret().size() != kInvitationSecretBytes) {
    return absl::InvalidArgumentError("the invitation's secret has the wrong length");
  }
  if (request.hpke_public_key().size() != kHpkeKeyBytes) {
    return absl::InvalidArgumentError("hpke_public_key must be 32 bytes");
  }
  if (request.hostname().empty() || request.hostname().size() > kHostnameBytesMax) {
    return absl::InvalidArgumentError("hostname must be 1 to 253 bytes");
  }
  if (!ServerAcceptsProtocol(kProtocolVersion, request.protocol_version())) {
    return absl::FailedPreconditionError(
        fmt::format("this server speaks protocol {} and takes agents one version behind at most; "
                    "the agent speaks {}: install another version of it",
                    kProtocolVersion, request.protocol_version()));
  }
  return absl::OkStatus();
}

}  // namespace

grpc::Status EnrollmentServiceImpl::Enroll(grpc::ServerContext* context,
                                           const v1::EnrollRequest* request,
                                           v1::EnrollResponse* response) {
  return gate_.Unary(method::kEnroll, *context, [&](const Caller&, const OpContext& ctx) {
    const std::string peer = EvidenceOf(*context).address;
    absl::Status status = parts_.failures.Check(peer);
    if (status.ok()) status = DoEnroll(ctx, *request, *response);
    // Guessing secrets is bounded; a full queue or a stopped database is no guess.
    if (absl::IsNotFound(status)) parts_.failures.Failed(peer);
    return status;
  });
}

absl::Status EnrollmentServiceImpl::DoEnroll(const OpContext& ctx, const v1::EnrollRequest& request,
                                             v1::EnrollResponse& response) {
  MOORING_RETURN_IF_ERROR(CheckRequest(request));
  MOORING_ASSIGN_OR_RETURN(const CertificateRequest csr,
                           CertificateRequest::Parse(AsBytes(request.csr())));
  const absl::Time now = parts_.clock.Now();
  const AgentId id = AgentId::Make(parts_.random);
  MOORING_ASSIGN_OR_RETURN(IssuedCertificate issued, parts_.authority.IssueAgent(id, csr, now));
  storage::AgentRecord agent;
  agent.id = id;
  agent.hostname = CleanMessage(request.hostname());
  agent.version = CleanMessage(request.agent_version()).substr(0, kVersionBytesMax);
  agent.protocol_version = request.protocol_version();
  agent.hpke_public_key = ToBytes(request.hpke_public_key());
  agent.key_hash = csr.key_hash();
  agent.certificate_expires_at = issued.expires_at;
  agent.enrolled_at = now;
  const auto secret_hash = storage::Sha256(AsBytes(request.secret()));
  const absl::Status done = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto invitation, tx.invitations().Use(secret_hash, now));
    MOORING_RETURN_IF_ERROR(tx.agents().Create(agent));
    return tx.Audit(AuditOf(parts_, "agent:" + id.hex(), "agent.enroll", id.hex(),
                            fmt::format(R"({{"invitation":"{}","hostname":{}}})",
                                        invitation.id.hex(), JsonText(agent.hostname))));
  });
  MOORING_RETURN_IF_ERROR(done);
  parts_.log.Info("agent.enroll", {{"agent", id.hex()}, {"hostname", agent.hostname}});
  response.set_agent_id(id.bytes());
  response.set_certificate_chain(std::move(issued.chain));
  response.set_ca_certificate(parts_.authority.certificate());
  response.set_address(parts_.addresses.agents());
  *response.mutable_addresses() = parts_.peers.AgentAddresses().addresses();
  response.set_organization(parts_.settings.organization);
  *response.mutable_expires_at() = ToTimestamp(issued.expires_at);
  return absl::OkStatus();
}

}  // namespace mooring::server
