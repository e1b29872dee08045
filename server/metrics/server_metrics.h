// ServerMetrics: counters that the server keeps and gauges of the last refresh,
// as Prometheus reads them.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/common.pb.h"
#include "server/metrics/fleet_figures.h"

namespace prometheus {
class Collectable;
}

namespace mooring::server {

// A figure without labels.
struct PlainGauge {
  const char* name;
  const char* help;
  double value;
};

enum class IngestKind { kLogical, kNew, kStored };

// Thread-safe.
class ServerMetrics {
 public:
  explicit ServerMetrics(const std::string& version);
  ~ServerMetrics();

  // `method` is an RPC of ours, `code` a gRPC code's name.
  void ObserveRequest(std::string_view method, std::string_view code, absl::Duration took);
  // kLogical: bytes that snapshots hold; kNew: sealed bytes that came over the
  // wire; kStored: of those, the ones that the store did not have.
  void AddIngest(IngestKind kind, std::uint64_t bytes);
  void CountSessionFailure(v1::Cause cause);
  void CountSnapshot();

  void SetFleet(FleetFigures figures);
  // The plain gauges of one part of the server, in place of those it gave before.
  void SetGauges(const std::string& source, std::vector<PlainGauge> gauges);
  // Asked at every scrape.
  void SetSessionSource(std::function<SessionFigures()> source);

  // For the HTTP endpoint.
  const std::shared_ptr<prometheus::Collectable>& collectable() const;
  // The exposition text, as /metrics shows it.
  std::string Text() const;

 private:
  class State;
  std::shared_ptr<State> state_;
  std::shared_ptr<prometheus::Collectable> collectable_;
};

// "CAUSE_SERVER_BUSY" -> "server_busy", for labels. Of any enum whose names share
// the prefix `drop`.
std::string LabelOf(std::string_view enum_name, std::string_view drop);

// Serves /metrics over HTTP.
class MetricsEndpoint {
 public:
  // `listen` is HOST:PORT; port 0 picks one. kUnavailable: cannot listen there.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(const std::string& listen,
                                                                const ServerMetrics& metrics);
  ~MetricsEndpoint();
  // HOST:PORT in use.
  const std::string& address() const { return address_; }

 private:
  MetricsEndpoint();
  struct Server;
  std::unique_ptr<Server> server_;
  std::string address_;
};

}  // namespace mooring::server
