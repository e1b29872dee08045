#include "server/config/server_config.h"

#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include "proto/yaml_message.h"
#include "server/config/object_store.h"
#include "storage/base/status.h"

namespace mooring::server {
namespace {

constexpr std::uint32_t kSessionsMax = 10'000;
constexpr std::uint32_t kQueueMax = 100'000;
constexpr std::uint32_t kLeaseSecondsMin = 10;
constexpr std::uint32_t kLeaseSecondsMax = 86'400;
constexpr std::uint32_t kCareDaysMax = 3650;
constexpr std::uint32_t kExportsKeptMax = 10'000;
constexpr std::uint32_t kDrillSnapshotsMax = 1000;
constexpr std::uint32_t kPrunePeriodSeconds = 86'400;
constexpr std::uint32_t kPrunePeriodSecondsMin = 60;
constexpr std::uint32_t kCollectPeriodSeconds = 86'400;
constexpr std::uint32_t kCollectPeriodSecondsMin = 60;
constexpr std::uint64_t kPruneDropsMax = 1000;
constexpr std::uint32_t kPrunePercentMax = 10;

absl::Status Wrong(std::string_view key, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", key, why));
}

absl::Status CheckListen(std::string_view key, std::string& value, const char* standard) {
  if (value.empty()) value = standard;
  return Annotate(ParseHostPort(value).status(), key);
}

absl::Status CheckLimits(config::v1::Limits& limits) {
  if (limits.sessions_max() == 0) limits.set_sessions_max(50);
  if (limits.queue_max() == 0) limits.set_queue_max(1000);
  if (limits.lease_seconds() == 0) limits.set_lease_seconds(1800);
  if (limits.sessions_max() > kSessionsMax) {
    return Wrong("limits.sessions_max", fmt::format("at most {}", kSessionsMax));
  }
  if (limits.queue_max() > kQueueMax) {
    return Wrong("limits.queue_max", fmt::format("at most {}", kQueueMax));
  }
  if (limits.lease_seconds() < kLeaseSecondsMin || limits.lease_seconds() > kLeaseSecondsMax) {
    return Wrong("limits.lease_seconds",
                 fmt::format("from {} to {}", kLeaseSecondsMin, kLeaseSecondsMax));
  }
  return absl::OkStatus();
}

absl::Status CheckCare(config::v1::Care& care) {
  if (care.scrub_days() == 0) care.set_scrub_days(30);
  if (care.scrub_bytes_per_second() == 0) care.set_scrub_bytes_per_second(20 << 20);
  if (care.exports_kept() == 0) care.set_exports_kept(14);
  if (care.export_hours() == 0) care.set_export_hours(24);
  if (care.drill_snapshots() == 0) care.set_drill_snapshots(3);
  if (care.scrub_days() > kCareDaysMax) {
    return Wrong("care.scrub_days", fmt::format("at most {}", kCareDaysMax));
  }
  if (care.exports_kept() > kExportsKeptMax) {
    return Wrong("care.exports_kept", fmt::format("at most {}", kExportsKeptMax));
  }
  if (care.export_hours() > kCareDaysMax * 24) {
    return Wrong("care.export_hours", fmt::format("at most {}", kCareDaysMax * 24));
  }
  if (care.drill_snapshots() > kDrillSnapshotsMax) {
    return Wrong("care.drill_snapshots", fmt::format("at most {}", kDrillSnapshotsMax));
  }
  return absl::OkStatus();
}

absl::Status CheckPruning(config::v1::Pruning& pruning) {
  if (pruning.period_seconds() == 0) pruning.set_period_seconds(kPrunePeriodSeconds);
  if (pruning.drops_max() == 0) pruning.set_drops_max(kPruneDropsMax);
  if (pruning.drop_percent_max() == 0) pruning.set_drop_percent_max(kPrunePercentMax);
  if (pruning.period_seconds() < kPrunePeriodSecondsMin) {
    return Wrong("pruning.period_seconds", fmt::format("at least {}", kPrunePeriodSecondsMin));
  }
  if (pruning.drop_percent_max() > 100) {
    return Wrong("pruning.drop_percent_max", "is a percentage, 1 to 100");
  }
  return absl::OkStatus();
}

absl::Status CheckCollection(config::v1::Collection& collection) {
  if (collection.period_seconds() == 0) collection.set_period_seconds(kCollectPeriodSeconds);
  if (collection.period_seconds() < kCollectPeriodSecondsMin) {
    return Wrong("collection.period_seconds", fmt::format("at least {}", kCollectPeriodSecondsMin));
  }
  if (collection.compact_below_percent() > 90) {
    return Wrong("collection.compact_below_percent", "at most 90");
  }
  if (collection.small_pack_mib() > 32) {
    return Wrong("collection.small_pack_mib", "at most 32: a session's pack closes at that size");
  }
  if (collection.removed_percent_a_day() > 100) {
    return Wrong("collection.removed_percent_a_day", "is a percentage, 1 to 100");
  }
  return absl::OkStatus();
}

}  // namespace

storage::CollectionOptions CollectionOptionsOf(const config::v1::Collection& collection) {
  storage::CollectionOptions options;
  if (collection.has_pack_hours()) options.pack_age_min = absl::Hours(collection.pack_hours());
  if (collection.has_condemned_hours()) {
    options.condemned_for = absl::Hours(collection.condemned_hours());
  }
  if (collection.has_doomed_hours()) options.doomed_for = absl::Hours(collection.doomed_hours());
  if (collection.has_orphan_hours()) {
    options.orphan_age_min = absl::Hours(collection.orphan_hours());
  }
  if (collection.compact_below_percent() > 0) {
    options.compact_below_percent = collection.compact_below_percent();
  }
  if (collection.small_pack_mib() > 0) {
    options.small_pack_bytes = std::uint64_t{collection.small_pack_mib()} << 20;
  }
  if (collection.removed_percent_a_day() > 0) {
    options.removed_percent_a_day = collection.removed_percent_a_day();
  }
  return options;
}

absl::StatusOr<HostPort> ParseHostPort(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  HostPort result;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(text.substr(colon + 1), &result.port) || result.port < 0 ||
      result.port > 65535) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is not HOST:PORT, as in 0.0.0.0:7443", text.substr(0, 100)));
  }
  result.host = text.substr(0, colon);
  if (result.host.size() > 2 && result.host.front() == '[' && result.host.back() == ']') {
    result.host = result.host.substr(1, result.host.size() - 2);
  } else if (result.host.find(':') != std::string::npos) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\": write an IPv6 address in brackets", text.substr(0, 100)));
  }
  return result;
}

std::string JoinHostPort(const std::string& host, int port) {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

absl::Status CheckServerConfig(config::v1::ServerConfig& config, const StateDir& dir) {
  if (config.organization().empty() || config.organization().size() > 64) {
    return Wrong("organization", "must be 1 to 64 bytes");
  }
  if (config.repository().empty()) config.set_repository(dir.repository());
  MOORING_RETURN_IF_ERROR(CheckObjectStoreConfig(config));
  if (config.kek_file().empty()) config.set_kek_file(dir.kek());
  config::v1::Listen& listen = *config.mutable_listen();
  MOORING_RETURN_IF_ERROR(
      CheckListen("listen.agents", *listen.mutable_agents(), kDefaultAgentsListen));
  MOORING_RETURN_IF_ERROR(
      CheckListen("listen.enrollment", *listen.mutable_enrollment(), kDefaultEnrollmentListen));
  MOORING_RETURN_IF_ERROR(
      CheckListen("listen.metrics", *listen.mutable_metrics(), kDefaultMetricsListen));
  if (!config.replica().empty()) {
    MOORING_RETURN_IF_ERROR(
        Annotate(CheckObjectStoreConfig(ReplicaAsRepository(config)), "replica"));
  }
  if (!config.replica().empty() && config.replica() == config.repository()) {
    return Wrong("replica", "is the repository itself");
  }
  MOORING_RETURN_IF_ERROR(CheckCare(*config.mutable_care()));
  MOORING_RETURN_IF_ERROR(CheckPruning(*config.mutable_pruning()));
  MOORING_RETURN_IF_ERROR(CheckCollection(*config.mutable_collection()));
  return CheckLimits(*config.mutable_limits());
}

absl::StatusOr<config::v1::ServerConfig> LoadServerConfig(FileSystem& files,
                                                          const std::string& path,
                                                          const StateDir& dir) {
  const absl::StatusOr<Bytes> text = files.Read(path, kYamlBytesMax);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(fmt::format(
        "{} does not exist; run `mooringd init --state-dir {}` first", path, dir.path()));
  }
  MOORING_RETURN_IF_ERROR(text.status());
  config::v1::ServerConfig config;
  MOORING_RETURN_IF_ERROR(Annotate(YamlToMessage(AsText(*text), config), path));
  MOORING_RETURN_IF_ERROR(Annotate(CheckServerConfig(config, dir), path));
  return config;
}

absl::Status WriteServerConfig(FileSystem& files, const StateDir& dir,
                               const config::v1::ServerConfig& config) {
  config::v1::ServerConfig written = config;
  written.clear_limits();
  written.clear_care();
  written.clear_pruning();
  written.clear_collection();
  if (written.repository() == dir.repository()) written.clear_repository();
  if (written.kek_file() == dir.kek()) written.clear_kek_file();
  const std::string text =
      "# Configuration of mooringd. Keys: proto/mooring/config/v1/config.proto.\n" +
      MessageToYaml(written);
  return WriteFileDurably(files, dir.config(), AsBytes(text), 0600);
}

}  // namespace mooring::server
