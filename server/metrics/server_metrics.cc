#include "server/metrics/server_metrics.h"

#include <map>
#include <utility>
#include <vector>

#include <absl/strings/ascii.h>
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "server/metrics/metric_names.h"
#include "storage/base/mutex.h"

namespace mooring::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

using LabelList = std::vector<ClientMetric::Label>;

class FamilyBuilder {
 public:
  FamilyBuilder(const char* name, const char* help, MetricType type = MetricType::Gauge) {
    family_.name = name;
    family_.help = help;
    family_.type = type;
  }

  FamilyBuilder& Gauge(double value, LabelList labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    family_.metric.push_back(std::move(metric));
    return *this;
  }

  MetricFamily& family() { return family_; }

 private:
  MetricFamily family_;
};

MetricFamily ByTwo(const char* name, const char* help, const char* first, const char* second,
                   const std::map<std::pair<std::string, std::string>, std::uint64_t>& values) {
  FamilyBuilder builder(name, help);
  for (const auto& [key, value] : values) {
    builder.Gauge(static_cast<double>(value), {{first, key.first}, {second, key.second}});
  }
  return builder.family();
}

template <typename Value>
MetricFamily ByOne(const char* name, const char* help, const char* label,
                   const std::map<std::string, Value>& values) {
  FamilyBuilder builder(name, help);
  for (const auto& [key, value] : values) {
    builder.Gauge(static_cast<double>(value), {{label, key}});
  }
  return builder.family();
}

MetricFamily Ages(const FleetFigures& figures) {
  FamilyBuilder builder(metric::kLastSuccessAge,
                        "Age of the newest capture of every device that has one.",
                        MetricType::Histogram);
  ClientMetric histogram;
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < kAgeBuckets.size(); ++i) {
    cumulative += figures.ages[i];
    histogram.histogram.bucket.push_back({cumulative, kAgeBuckets[i]});
  }
  histogram.histogram.sample_count = figures.ages_count;
  histogram.histogram.sample_sum = figures.ages_sum;
  builder.family().metric.push_back(std::move(histogram));
  return builder.family();
}

void AppendFleet(const FleetFigures& f, std::vector<MetricFamily>& out) {
  out.push_back(ByTwo(metric::kDevices, "Devices by compliance state and platform.", "state",
                      "platform", f.devices));
  out.push_back(ByOne(metric::kAttainment, "Share of the group's population within its RPO.",
                      "group", f.attainment));
  out.push_back(ByTwo(metric::kOverdue, "Devices not backed up within their RPO, by last cause.",
                      "group", "cause", f.overdue));
  out.push_back(ByOne(metric::kPeopleWithoutDevice, "People without a device.", "group",
                      f.people_without_device));
  out.push_back(Ages(f));
  out.push_back(ByOne(metric::kAgents, "Agents by state.", "state", f.agents));
  out.push_back(FamilyBuilder(metric::kAgentLastSeen,
                              "Longest time since any unrevoked agent was heard from.")
                    .Gauge(f.oldest_agent_age_seconds)
                    .family());
  out.push_back(
      FamilyBuilder(metric::kPeople, "People.").Gauge(static_cast<double>(f.people)).family());
  out.push_back(FamilyBuilder(metric::kSnapshots, "Snapshots that are not deleted.")
                    .Gauge(static_cast<double>(f.snapshots))
                    .family());
  out.push_back(FamilyBuilder(metric::kStoreBytes, "Bytes of the object store.")
                    .Gauge(static_cast<double>(f.store_used_bytes), {{"kind", "used"}})
                    .Gauge(static_cast<double>(f.store_free_bytes), {{"kind", "free"}})
                    .Gauge(static_cast<double>(f.store_reserve_bytes), {{"kind", "reserve"}})
                    .family());
  out.push_back(ByOne(metric::kCertificateExpiry, "Seconds until a certificate of ours ends.",
                      "certificate", f.certificate_expiry_seconds));
  out.push_back(ByOne(metric::kPruningPaused, "Devices that are not pruned, by cause.", "cause",
                      f.pruning_paused));
  out.push_back(ByOne(metric::kPruneSnapshots, "Snapshots of the pruner's last round.", "result",
                      f.prune_snapshots));
  out.push_back(FamilyBuilder(metric::kPruneLastRun, "When the pruner's last round began.")
                    .Gauge(f.prune_last_run_seconds)
                    .family());
  out.push_back(FamilyBuilder(metric::kPruneRefused, "1 where the pruner does not run: see status.")
                    .Gauge(f.prune_refused ? 1 : 0)
                    .family());
  out.push_back(FamilyBuilder(metric::kHolds, "Holds that stand.")
                    .Gauge(static_cast<double>(f.holds))
                    .family());
  out.push_back(ByOne(metric::kCollectionBytes,
                      "Bytes of the object store by what garbage collection last took them for.",
                      "state", f.collection_bytes));
  out.push_back(FamilyBuilder(metric::kCollectionLastRun,
                              "When the last round of garbage collection was complete.")
                    .Gauge(f.collection_last_run_seconds)
                    .family());
  out.push_back(FamilyBuilder(metric::kCollectionStopped,
                              "1 where garbage collection waits for a person, by reason.")
                    .Gauge(f.collection_stopped ? 1 : 0, {{"reason", "integrity"}})
                    .Gauge(f.collection_recovery ? 1 : 0, {{"reason", "recovery"}})
                    .family());
  out.push_back(FamilyBuilder(metric::kCollectionAddsUp,
                              "1 where the states of the catalog add up to the store's bytes.")
                    .Gauge(f.collection_adds_up ? 1 : 0)
                    .family());
  out.push_back(FamilyBuilder(metric::kLastRefresh, "When the fleet's gauges were taken.")
                    .Gauge(absl::ToDoubleSeconds(f.as_of - absl::UnixEpoch()))
                    .family());
}

void AppendSessions(const SessionFigures& f, std::vector<MetricFamily>& out) {
  out.push_back(ByTwo(metric::kSessions, "Sessions that run, by phase and what they wait for.",
                      "phase", "waiting_for", f.sessions));
  out.push_back(FamilyBuilder(metric::kSessionsQueued, "Sessions that wait for a slot.")
                    .Gauge(static_cast<double>(f.queued))
                    .family());
  out.push_back(
      FamilyBuilder(metric::kSessionsMax, "Slots.").Gauge(static_cast<double>(f.max)).family());
}

}  // namespace

class ServerMetrics::State final : public prometheus::Collectable {
 public:
  explicit State(const std::string& version)
      : request_seconds_(prometheus::BuildHistogram()
                             .Name(metric::kRequestSeconds)
                             .Help("Time to answer a call.")
                             .Register(registry_)),
        requests_(prometheus::BuildCounter()
                      .Name(metric::kRequests)
                      .Help("Calls answered.")
                      .Register(registry_)),
        session_failures_(prometheus::BuildCounter()
                              .Name(metric::kSessionFailures)
                              .Help("Sessions that ended without a snapshot, by cause.")
                              .Register(registry_)),
        ingest_(prometheus::BuildCounter()
                    .Name(metric::kIngestBytes)
                    .Help("Bytes of snapshots (logical), received (new) and kept (stored).")
                    .Register(registry_)),
        snapshots_(prometheus::BuildCounter()
                       .Name(metric::kSnapshotsCommitted)
                       .Help("Snapshots committed.")
                       .Register(registry_)
                       .Add({})) {
    prometheus::BuildGauge()
        .Name(metric::kBuildInfo)
        .Help("The server's version.")
        .Register(registry_)
        .Add({{"version", version}})
        .Set(1);
    for (const char* kind : {"logical", "new", "stored"}) ingest_.Add({{"kind", kind}});
  }

  std::vector<MetricFamily> Collect() const override {
    std::vector<MetricFamily> result = registry_.Collect();
    std::shared_ptr<const FleetFigures> fleet;
    std::function<SessionFigures()> sessions;
    {
      MutexLock lock(mutex_);
      for (const auto& [source, gauges] : gauges_) {
        for (const PlainGauge& gauge : gauges) {
          result.push_back(FamilyBuilder(gauge.name, gauge.help).Gauge(gauge.value).family());
        }
      }
      fleet = fleet_;
      sessions = sessions_;
    }
    if (fleet != nullptr) AppendFleet(*fleet, result);
    if (sessions) AppendSessions(sessions(), result);
    return result;
  }

  void SetFleet(FleetFigures figures) {
    auto shared = std::make_shared<const FleetFigures>(std::move(figures));
    MutexLock lock(mutex_);
    fleet_ = std::move(shared);
  }

  void SetGauges(const std::string& source, std::vector<PlainGauge> gauges) {
    MutexLock lock(mutex_);
    gauges_[source] = std::move(gauges);
  }

  void SetSessions(std::function<SessionFigures()> source) {
    MutexLock lock(mutex_);
    sessions_ = std::move(source);
  }

  prometheus::Registry registry_;
  prometheus::Family<prometheus::Histogram>& request_seconds_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& session_failures_;
  prometheus::Family<prometheus::Counter>& ingest_;
  prometheus::Counter& snapshots_;

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const FleetFigures> fleet_ ABSL_GUARDED_BY(mutex_);
  std::function<SessionFigures()> sessions_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<PlainGauge>> gauges_ ABSL_GUARDED_BY(mutex_);
};

ServerMetrics::ServerMetrics(const std::string& version)
    : state_(std::make_shared<State>(version)), collectable_(state_) {}

ServerMetrics::~ServerMetrics() = default;

void ServerMetrics::ObserveRequest(std::string_view method, std::string_view code,
                                   absl::Duration took) {
  static const prometheus::Histogram::BucketBoundaries kBounds{0.001, 0.005, 0.02, 0.1, 0.5,
                                                               2,     10,    60,   600};
  const std::string name(method);
  state_->request_seconds_.Add({{"method", name}}, kBounds).Observe(absl::ToDoubleSeconds(took));
  state_->requests_.Add({{"method", name}, {"code", std::string(code)}}).Increment();
}

void ServerMetrics::AddIngest(IngestKind kind, std::uint64_t bytes) {
  const char* const name = kind == IngestKind::kLogical ? "logical"
                           : kind == IngestKind::kNew   ? "new"
                                                        : "stored";
  state_->ingest_.Add({{"kind", name}}).Increment(static_cast<double>(bytes));
}

void ServerMetrics::CountSessionFailure(v1::Cause cause) {
  state_->session_failures_.Add({{"cause", LabelOf(v1::Cause_Name(cause), "CAUSE_")}}).Increment();
}

void ServerMetrics::CountSnapshot() {
  state_->snapshots_.Increment();
}

void ServerMetrics::SetFleet(FleetFigures figures) {
  state_->SetFleet(std::move(figures));
}

void ServerMetrics::SetGauges(const std::string& source, std::vector<PlainGauge> gauges) {
  state_->SetGauges(source, std::move(gauges));
}

void ServerMetrics::SetSessionSource(std::function<SessionFigures()> source) {
  state_->SetSessions(std::move(source));
}

const std::shared_ptr<prometheus::Collectable>& ServerMetrics::collectable() const {
  return collectable_;
}

std::string ServerMetrics::Text() const {
  return prometheus::TextSerializer().Serialize(state_->Collect());
}

std::string LabelOf(std::string_view enum_name, std::string_view drop) {
  if (enum_name.substr(0, drop.size()) == drop) enum_name.remove_prefix(drop.size());
  std::string label(enum_name);
  absl::AsciiStrToLower(&label);
  return label.empty() ? "unknown" : label;
}

}  // namespace mooring::server
