// Server: everything of `mooringd serve`, put together from a state directory.
//
// Start brings up the database, the repository, the services and the listeners,
// in that order; Stop ends them in the other. Several can live in one process,
// as tests do.

#pragma once

#include <memory>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/config/v1/config.pb.h"
#include "server/config/state_dir.h"
#include "server/log/log.h"
#include "server/metrics/server_metrics.h"
#include "storage/base/clock.h"
#include "storage/base/file.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/repository/repository.h"

namespace mooring::server {

inline constexpr absl::Duration kDrainGrace = absl::Seconds(15);

struct ServerEnvironment {
  FileSystem& files;
  Clock& clock;
  Random& random;
  Log& log;
};

// Where a running server listens, HOST:PORT each, as others reach it.
struct Endpoints {
  std::string agents;
  std::string enrollment;
  std::string metrics;
};

class Server {
 public:
  // `environment` outlives the server. `upload_idle` is for tests.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const OpContext& ctx, const ServerEnvironment& environment, const StateDir& dir,
      const config::v1::ServerConfig& config, absl::Duration upload_idle = storage::kPackIdle);
  ~Server();

  const Endpoints& endpoints() const;
  ServerMetrics& metrics();
  // Takes the gauges now, as the job does every while.
  absl::Status RefreshMetrics(const OpContext& ctx);
  // One round of the jobs that a test does not want to wait for.
  absl::Status RunJobsOnce(const OpContext& ctx);

  // Drains: refuses new calls, closes what uploads have sent, ends the control
  // streams, waits for at most `grace`, then stops the database. Once.
  void Stop(absl::Duration grace = kDrainGrace);

 private:
  class Body;
  explicit Server(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

}  // namespace mooring::server
