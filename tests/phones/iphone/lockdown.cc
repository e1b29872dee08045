// lockdownd: identity, pairing, sessions, and the door to every other service.

#include <utility>

#include <fmt/format.h>

#include "storage/base/ids.h"
#include "storage/base/status.h"
#include "tests/phones/iphone/lockdown_values.h"
#include "tests/phones/iphone/plist_service.h"
#include "tests/phones/iphone/services.h"
#include "tests/phones/iphone/tls.h"

namespace mooring::testing {
namespace {

using EscrowId = Id<struct EscrowTag, 32>;
using LockdownSessionId = Id<struct LockdownSessionTag, 16>;

std::string TextOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

// One connection to lockdownd. Thread-bound.
class LockdownConversation {
 public:
  LockdownConversation(Phone& phone, Channel& channel) : phone_(phone), channel_(channel) {}

  absl::Status Run();

 private:
  absl::Status Answer(const Plist& request);
  absl::Status Send(const std::string& request, Plist reply);
  absl::Status Fail(const std::string& request, std::string_view error);
  absl::Status GetValue(const Plist& request);
  absl::Status Pair(const Plist& request);
  absl::Status StartSession(const Plist& request);
  absl::Status StopSession();
  absl::Status StartService(const Plist& request);
  bool in_session() const { return !session_host_.empty(); }

  Phone& phone_;
  Channel& channel_;
  std::string session_host_;
  std::string session_id_;
  bool is_over_ = false;
};

absl::Status LockdownConversation::Run() {
  while (!is_over_) {
    absl::StatusOr<Plist> request = ReceivePlist(channel_);
    if (!request.ok()) return request.status();
    MOORING_RETURN_IF_ERROR(Answer(*request));
  }
  return absl::OkStatus();
}

absl::Status LockdownConversation::Send(const std::string& request, Plist reply) {
  reply.Set("Request", request);
  return SendXmlPlist(channel_, reply);
}

absl::Status LockdownConversation::Fail(const std::string& request, std::string_view error) {
  return Send(request, Plist::Dict().Set("Error", error));
}

absl::Status LockdownConversation::Answer(const Plist& request) {
  const std::string name = request.StringOr("Request", "");
  if (name == "QueryType") {
    return Send(name, Plist::Dict().Set("Type", "com.apple.mobile.lockdown"));
  }
  if (name == "GetValue") return GetValue(request);
  if (name == "Pair" || name == "ValidatePair") return Pair(request);
  if (name == "StartSession") return StartSession(request);
  if (name == "StopSession") return StopSession();
  if (name == "StartService") return StartService(request);
  if (name == "Unpair") {
    phone_.ForgetHost(request.Find("PairRecord").StringOr("HostID", ""));
    return Send(name, Plist::Dict());
  }
  if (name == "SetValue" || name == "RemoveValue" || name == "EnterRecovery") {
    if (!in_session()) {
      phone_.Violation(fmt::format("lockdown: {} without a session", name));
      return Fail(name, "SessionInactive");
    }
    return Send(name, Plist::Dict()
                          .Set("Domain", request.StringOr("Domain", ""))
                          .Set("Key", request.StringOr("Key", "")));
  }
  if (name == "Goodbye") {
    is_over_ = true;
    return Send(name, Plist::Dict());
  }
  phone_.Violation(fmt::format("lockdown: unknown request {}", name));
  return Fail(name, "InvalidRequest");
}

absl::Status LockdownConversation::GetValue(const Plist& request) {
  const std::string domain = request.StringOr("Domain", "");
  const std::string key = request.StringOr("Key", "");
  absl::StatusOr<Plist> values = LockdownValues(phone_, domain, in_session());
  if (!values.ok()) return Fail("GetValue", TextOf(values.status()));
  Plist reply = Plist::Dict();
  if (!domain.empty()) reply.Set("Domain", domain);
  if (key.empty()) return Send("GetValue", std::move(reply.Set("Value", *std::move(values))));
  reply.Set("Key", key);
  const PlistView value = values->Find(key.c_str());
  if (!value.exists()) return Fail("GetValue", "MissingValue");
  return Send("GetValue", std::move(reply.Set("Value", Plist::CopyOf(value))));
}

absl::Status LockdownConversation::Pair(const Plist& request) {
  const std::string name = request.StringOr("Request", "");
  const PlistView record = request.Find("PairRecord");
  HostTrust trust;
  trust.host_id = record.StringOr("HostID", "");
  trust.device_certificate_pem = record.Find("DeviceCertificate").AsData().value_or("");
  trust.host_certificate_pem = record.Find("HostCertificate").AsData().value_or("");
  trust.root_certificate_pem = record.Find("RootCertificate").AsData().value_or("");
  if (trust.host_id.empty() || record.StringOr("SystemBUID", "").empty()) {
    phone_.Violation(fmt::format("lockdown: {} without HostID or SystemBUID", name));
    return Fail(name, "InvalidPairRecord");
  }
  if (name == "ValidatePair") {
    return phone_.FindHost(trust.host_id) ? Send(name, Plist::Dict()) : Fail(name, "InvalidHostID");
  }
  MOORING_ASSIGN_OR_RETURN(const PhoneKey key, phone_.Key());
  const absl::Status certificate = CheckDeviceCertificate(trust.device_certificate_pem, key);
  if (!certificate.ok() || !TlsEndpoint::Make(key, trust).ok()) {
    phone_.Violation(fmt::format("lockdown: pair record refused: {}", TextOf(certificate)));
    return Fail(name, "InvalidPairRecord");
  }
  trust.escrow_bag = EscrowId::Make(phone_.random()).bytes();
  const std::string escrow = trust.escrow_bag;
  const absl::Status paired = phone_.TryPair(std::move(trust));
  if (!paired.ok()) return Fail(name, TextOf(paired));
  return Send(name, Plist::Dict().Set("EscrowBag", Plist::Data(escrow)));
}

absl::Status LockdownConversation::StartSession(const Plist& request) {
  const std::string host_id = request.StringOr("HostID", "");
  const std::optional<HostTrust> trust = phone_.FindHost(host_id);
  if (in_session()) return Fail("StartSession", "SessionActive");
  if (!trust) return Fail("StartSession", "InvalidHostID");
  MOORING_ASSIGN_OR_RETURN(const PhoneKey key, phone_.Key());
  MOORING_ASSIGN_OR_RETURN(const TlsEndpoint endpoint, TlsEndpoint::Make(key, *trust));
  session_id_ = LockdownSessionId::Make(phone_.random()).hex();
  MOORING_RETURN_IF_ERROR(Send(
      "StartSession",
      Plist::Dict().Set("SessionID", session_id_).Set("EnableSessionSSL", Plist::Boolean(true))));
  MOORING_RETURN_IF_ERROR(channel_.StartTls(endpoint));
  session_host_ = host_id;
  return absl::OkStatus();
}

absl::Status LockdownConversation::StopSession() {
  if (!in_session()) return Fail("StopSession", "SessionInactive");
  MOORING_RETURN_IF_ERROR(Send("StopSession", Plist::Dict()));
  session_host_.clear();
  return channel_.StopTls();
}

absl::Status LockdownConversation::StartService(const Plist& request) {
  const std::string service = request.StringOr("Service", "");
  const bool is_insecure = service == "com.apple.mobile.insecure_notification_proxy";
  if (!in_session() && !is_insecure) {
    phone_.Violation(fmt::format("lockdown: StartService {} without a session", service));
    return Fail("StartService", "SessionInactive");
  }
  if (!IsKnownService(service)) return Fail("StartService", "InvalidService");
  const std::optional<HostTrust> trust = phone_.FindHost(session_host_);
  const std::optional<std::string> escrow = request.Find("EscrowBag").AsData();
  const bool has_escrow = trust && escrow == trust->escrow_bag;
  if (service == "com.apple.mobilebackup2") {
    if (phone_.is_locked() && !has_escrow) return Fail("StartService", "PasswordProtected");
    if (phone_.is_busy()) return Fail("StartService", "ServiceLimit");
  }
  const std::uint16_t port =
      phone_.OfferService({.name = service, .host_id = is_insecure ? "" : session_host_});
  Plist reply = Plist::Dict();
  reply.Set("Service", service).Set("Port", Plist::Integer(port));
  if (!is_insecure) reply.Set("EnableServiceSSL", Plist::Boolean(true));
  return Send("StartService", std::move(reply));
}

}  // namespace

void ServeLockdown(Phone& phone, Channel& channel) {
  const std::stop_token attachment = phone.attachment();
  const absl::Status status = LockdownConversation(phone, channel).Run();
  if (!status.ok() && !absl::IsUnavailable(status) && !attachment.stop_requested()) {
    phone.Violation(fmt::format("lockdown: {}", TextOf(status)));
  }
}

}  // namespace mooring::testing
