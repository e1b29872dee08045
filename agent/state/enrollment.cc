#include "agent/state/enrollment.h"

#include <utility>

#include <fmt/format.h>

#include "agent/state/certificate.h"
#include "agent/state/pinned_ca.h"
#include "mooring/v1/agent.grpc.pb.h"
#include "mooring/v1/enrollment.grpc.pb.h"
#include "proto/invitation_token.h"
#include "proto/protocol_version.h"
#include "storage/base/status.h"
#include "storage/seal/hpke.h"

namespace mooring::agent {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(10);
constexpr absl::Duration kTimeout = absl::Seconds(30);
constexpr std::uint32_t kSessionsMaxDefault = 8;

absl::Status CheckAnswer(const v1::EnrollResponse& answer, const KeyAndRequest& key, ByteView pin) {
  MOORING_ASSIGN_OR_RETURN(const Bytes hash, PublicKeyHash(answer.ca_certificate()));
  if (!SecretBytes::Equal(hash, pin)) {
    return absl::PermissionDeniedError(
        "the server answered with a CA that the invitation does "
        "not name; nothing was stored");
  }
  if (!CertifiesKey(answer.certificate_chain(), key.private_key)) {
    return absl::DataLossError("the server certified another key than ours; nothing was stored");
  }
  return absl::OkStatus();
}

struct Found {
  std::string address;
  TlsIdentity identity;  // The CA alone.
};

// The first of the organization's servers that is reached. One that answers with
// another CA ends the search: someone is between.
absl::StatusOr<Found> FindServer(const v1::Invitation& invitation,
                                 const std::vector<std::string>& named) {
  std::vector<std::string> addresses = named;
  if (addresses.empty()) {
    addresses.push_back(invitation.address());
    addresses.insert(addresses.end(), invitation.more_addresses().begin(),
                     invitation.more_addresses().end());
  }
  if (addresses.size() > kAddressesMax) addresses.resize(kAddressesMax);
  absl::Status last;
  for (const std::string& address : addresses) {
    absl::StatusOr<std::string> ca =
        FetchPinnedCa(address, AsBytes(invitation.ca_pin()), kConnectTimeout);
    if (ca.ok())
      return Found{address, {.ca = *std::move(ca), .certificate_chain = {}, .private_key = {}}};
    last = ca.status();
    if (!absl::IsUnavailable(last) && !absl::IsDeadlineExceeded(last)) return last;
  }
  return last;
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds());
}

}  // namespace

absl::StatusOr<Enrolled> Enroll(const OpContext& ctx, StateDirectory& state, Random& random,
                                const Enrollment& enrollment) {
  if (state.IsEnrolled()) {
    return absl::AlreadyExistsError(ToAbsl(fmt::format(
        "{} is an enrolled agent already; to enroll again, move it away first", state.path())));
  }
  MOORING_ASSIGN_OR_RETURN(const v1::Invitation invitation, ParseInvitationToken(enrollment.token));
  const ByteView pin = AsBytes(invitation.ca_pin());
  MOORING_ASSIGN_OR_RETURN(const Found found, FindServer(invitation, enrollment.servers));
  const std::string& address = found.address;
  const TlsIdentity& server = found.identity;

  MOORING_ASSIGN_OR_RETURN(const KeyAndRequest key, MakeKeyAndRequest(enrollment.hostname));
  MOORING_ASSIGN_OR_RETURN(storage::HpkeKeyPair hpke, storage::MakeHpkeKeyPair(random));
  v1::EnrollRequest request;
  request.set_secret(invitation.secret());
  request.set_csr(ToString(key.request));
  request.set_hpke_public_key(ToString(hpke.public_key));
  request.set_hostname(enrollment.hostname.substr(0, 253));
  request.set_agent_version(enrollment.agent_version);
  request.set_protocol_version(kProtocolVersion);
  const auto stub = v1::EnrollmentService::NewStub(MakeChannel(address, server));
  absl::StatusOr<v1::EnrollResponse> answer = CallOnce<v1::EnrollResponse>(
      ctx, kTimeout, [&](grpc::ClientContext& context, v1::EnrollResponse& out) {
        return stub->Enroll(&context, request, &out);
      });
  if (absl::IsResourceExhausted(answer.status())) {
    return absl::PermissionDeniedError(answer.status().message());  // Used up.
  }
  if (!answer.ok()) return Annotate(answer.status(), "enrollment");
  MOORING_RETURN_IF_ERROR(CheckAnswer(*answer, key, pin));

  AgentState made;
  made.config.set_server(answer->address());
  made.config.set_enrollment_server(address);
  made.config.set_organization(answer->organization());
  made.config.set_sessions_max(kSessionsMaxDefault);
  made.config.set_backup_on_attach(true);
  made.learned_servers.assign(answer->addresses().begin(), answer->addresses().end());
  made.identity = {answer->ca_certificate(), answer->certificate_chain(),
                   ToString(key.private_key.view())};
  made.hpke_private_key = std::move(hpke.private_key);
  MOORING_RETURN_IF_ERROR(state.Create(made));
  return Enrolled{answer->organization(), answer->address(), ToHex(AsBytes(answer->agent_id())),
                  TimeOf(answer->expires_at())};
}

absl::StatusOr<TlsIdentity> Renew(const OpContext& ctx, StateDirectory& state,
                                  const TlsIdentity& identity, ServerChannel& channel,
                                  const std::string& hostname) {
  MOORING_ASSIGN_OR_RETURN(const KeyAndRequest key, MakeKeyAndRequest(hostname));
  v1::RenewCertificateRequest request;
  request.set_csr(ToString(key.request));
  const auto stub = v1::AgentService::NewStub(AwaitConnection(channel, ctx, kConnectTimeout));
  absl::StatusOr<v1::RenewCertificateResponse> answer = CallOnce<v1::RenewCertificateResponse>(
      ctx, kTimeout, [&](grpc::ClientContext& context, v1::RenewCertificateResponse& out) {
        return stub->RenewCertificate(&context, request, &out);
      });
  if (!answer.ok()) return Annotate(answer.status(), "renewal of the certificate");
  if (!CertifiesKey(answer->certificate_chain(), key.private_key)) {
    return absl::DataLossError("renewal: the server certified another key than ours");
  }
  MOORING_RETURN_IF_ERROR(state.ReplaceCertificate(key.private_key, answer->certificate_chain()));
  const std::vector<std::string> servers(answer->servers().addresses().begin(),
                                         answer->servers().addresses().end());
  // The certificate is renewed; a list that cannot be stored is learned again.
  if (channel.Learn(servers)) state.SaveServers(servers).IgnoreError();
  return TlsIdentity{identity.ca, answer->certificate_chain(), ToString(key.private_key.view())};
}

}  // namespace mooring::agent
