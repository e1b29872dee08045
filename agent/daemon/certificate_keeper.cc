#include "agent/daemon/certificate_keeper.h"

#include <utility>

#include "agent/state/certificate.h"
#include "agent/state/enrollment.h"

namespace mooring::agent {
namespace {

constexpr absl::Duration kLookEvery = absl::Minutes(10);

}  // namespace

CertificateKeeper::CertificateKeeper(StateDirectory& state, AgentState& loaded,
                                     ServerChannel& channel, Clock& clock, Log& log, Daemon& daemon,
                                     std::string hostname)
    : state_(state),
      loaded_(loaded),
      channel_(channel),
      clock_(clock),
      log_(log),
      daemon_(daemon),
      hostname_(std::move(hostname)),
      thread_([this](std::stop_token stop) { Run(std::move(stop)); }) {}

void CertificateKeeper::Run(std::stop_token stop) {
  OpContext ctx;
  ctx.stop = stop;
  do {
    const auto facts = ReadCertificate(loaded_.identity.certificate_chain);
    if (!facts.ok() || clock_.Now() < facts->renew_at) continue;
    auto renewed = Renew(ctx, state_, loaded_.identity, channel_, hostname_);
    if (!renewed.ok()) {
      log_.Warning("certificate not renewed", {{"why", renewed.status().ToString()}});
      continue;
    }
    loaded_.identity = *std::move(renewed);
    channel_.Renew(loaded_.identity);
    const auto fresh = ReadCertificate(loaded_.identity.certificate_chain);
    if (fresh.ok()) daemon_.set_certificate_expiry(fresh->not_after);
    log_.Info("certificate renewed", {});
  } while (clock_.Sleep(kLookEvery, stop));
}

}  // namespace mooring::agent
