#include <exception>
#include <utility>

#include <fmt/format.h>
#include <prometheus/exposer.h>

#include "server/metrics/server_metrics.h"

namespace mooring::server {

struct MetricsEndpoint::Server {
  std::unique_ptr<prometheus::Exposer> exposer;
};

MetricsEndpoint::MetricsEndpoint() = default;
MetricsEndpoint::~MetricsEndpoint() = default;

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(
    const std::string& listen, const ServerMetrics& metrics) {
  auto endpoint = std::unique_ptr<MetricsEndpoint>(new MetricsEndpoint);
  endpoint->server_ = std::make_unique<Server>();
  // The library knows no other way to say that it cannot listen.
  try {
    endpoint->server_->exposer = std::make_unique<prometheus::Exposer>(listen, 2);
  } catch (const std::exception& error) {
    return absl::UnavailableError(
        fmt::format("cannot serve metrics on {}: {}", listen, error.what()));
  }
  prometheus::Exposer& exposer = *endpoint->server_->exposer;
  exposer.RegisterCollectable(metrics.collectable());
  const std::vector<int> ports = exposer.GetListeningPorts();
  endpoint->address_ =
      fmt::format("{}:{}", listen.substr(0, listen.rfind(':')), ports.empty() ? 0 : ports.front());
  return endpoint;
}

}  // namespace mooring::server
