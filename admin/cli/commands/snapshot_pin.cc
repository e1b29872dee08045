#include "admin/cli/commands/snapshot_pin.h"

#include <memory>
#include <string>

#include <absl/time/time.h>
#include <fmt/format.h>

#include "admin/cli/resolve.h"
#include "admin/cli/text.h"
#include "mooring/v1/retention.grpc.pb.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

struct PinOptions {
  std::string id;
  std::string until;
  std::string reason;
  bool remove = false;
};

// A day, or a length of time from now.
absl::StatusOr<absl::Time> ParseUntil(const std::string& text, absl::Time now) {
  absl::Time day;
  std::string error;
  if (absl::ParseTime("%Y-%m-%d", text, absl::UTCTimeZone(), &day, &error)) return day;
  const absl::StatusOr<absl::Duration> lifetime = ParseLifetime(text);
  if (lifetime.ok()) return now + *lifetime;
  return absl::InvalidArgumentError(
      "--until is a day, as in 2026-12-31, or a length of time, as in 30d");
}

absl::StatusOr<ExitCode> Pin(Invocation& run, const PinOptions& options) {
  if (options.remove && !options.until.empty()) {
    return absl::InvalidArgumentError("give --until or --remove, not both");
  }
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::PinSnapshotRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_snapshot_id(),
                           ResolveSnapshot(*connection, options.id));
  request.set_reason(options.reason);
  request.set_remove(options.remove);
  if (!options.until.empty()) {
    MOORING_ASSIGN_OR_RETURN(const absl::Time until, ParseUntil(options.until, run.now()));
    request.mutable_until()->set_seconds(absl::ToUnixSeconds(until));
  }
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::RetentionService::Stub::PinSnapshot, request));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  run.output().PrintLine(
      options.remove
          ? fmt::format("Snapshot {} is no longer pinned.", ShortId(request.snapshot_id()))
      : response.pin().has_until()
          ? fmt::format("Snapshot {} is pinned until {}.", ShortId(request.snapshot_id()),
                        TimeText(response.pin().until()))
          : fmt::format("Snapshot {} is pinned until the pin is removed.",
                        ShortId(request.snapshot_id())));
  return ExitCode::kOk;
}

}  // namespace

void AddSnapshotPin(CommandTree& tree, CLI::App& snapshot) {
  auto pin = std::make_shared<PinOptions>();
  CLI::App& verb =
      tree.AddVerb(snapshot,
                   {"pin", "Keep it whatever the rules say",
                    "mooring snapshot pin 3f9a1c --until 30d --reason 'before the iOS update'"},
                   [pin](Invocation& run) { return Pin(run, *pin); });
  verb.add_option("ID", pin->id, "id of the snapshot")->required();
  verb.add_option("--until", pin->until, "a day or a length of time; without it, for good");
  verb.add_flag("--remove", pin->remove, "take the pin away");
  verb.add_option("--reason", pin->reason, "for the audit record")->required();
}

}  // namespace mooring::admin
