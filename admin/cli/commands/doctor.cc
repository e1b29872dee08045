// mooring doctor

#include <string>

#include <absl/time/time.h>
#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/login_file.h"
#include "admin/cli/text.h"
#include "mooring/cli/v1/cli.pb.h"
#include "mooring/v1/access.grpc.pb.h"
#include "mooring/v1/fleet.grpc.pb.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

constexpr absl::Duration kSkewMax = absl::Seconds(60);
constexpr absl::Duration kTokenWarning = absl::Hours(24 * 7);

Cell ResultCell(const cli::v1::Check& check) {
  switch (check.result()) {
    case cli::v1::CHECK_RESULT_OK:
      return {"ok", Tone::kGood};
    case cli::v1::CHECK_RESULT_FAILED:
      return {"FAILED", Tone::kBad};
    default:
      return {EnumText(check.result()), Tone::kWarning};
  }
}

// The checks in order. The first failure of the way to the server decides the
// exit code; findings behind it are code 8.
class Examination {
 public:
  explicit Examination(Invocation& run) : run_(run) {}

  void Run() {
    if (CheckLogin() && CheckServer()) CheckStatus();
  }
  const cli::v1::DoctorReport& report() const { return report_; }
  ExitCode code() const { return code_; }

 private:
  void Add(const std::string& name, cli::v1::CheckResult result, const std::string& detail,
           const std::string& next_step = "") {
    cli::v1::Check* check = report_.add_checks();
    check->set_name(name);
    check->set_result(result);
    check->set_detail(detail);
    check->set_next_step(next_step);
    if (result != cli::v1::CHECK_RESULT_OK && code_ == ExitCode::kOk) code_ = ExitCode::kFindings;
  }

  void AddFailure(const std::string& name, const absl::Status& status) {
    if (code_ == ExitCode::kOk) code_ = ExitCodeOf(status);
    Add(name, cli::v1::CHECK_RESULT_FAILED, std::string(status.message()), NextStepOf(status));
  }

  bool CheckLogin() {
    const absl::StatusOr<Connection*> connection = run_.Connect();
    if (!connection.ok()) {
      AddFailure("login", connection.status());
      return false;
    }
    connection_ = *connection;
    Add("login", cli::v1::CHECK_RESULT_OK, connection_->server());
    return true;
  }

  bool CheckServer() {
    const auto who =
        connection_->Call(&v1::AccessService::Stub::WhoAmI, v1::WhoAmIRequest(), absl::Seconds(10));
    if (who.ok()) {
      Add("server", cli::v1::CHECK_RESULT_OK, "reachable, certificate signed by our CA");
      CheckToken(*who);
      return true;
    }
    const bool refused = ExitCodeOf(who.status()) == ExitCode::kDenied;
    if (refused) Add("server", cli::v1::CHECK_RESULT_OK, "reachable");
    AddFailure(refused ? "token" : "server", who.status());
    return false;
  }

  void CheckToken(const v1::WhoAmIResponse& who) {
    const absl::Duration left = ToTime(who.token_expires_at()) - run_.now();
    const bool expires = who.has_token_expires_at();
    const bool soon = expires && left < kTokenWarning;
    Add("token", soon ? cli::v1::CHECK_RESULT_WARNING : cli::v1::CHECK_RESULT_OK,
        expires ? fmt::format("of {}, expires {}", who.user(),
                              AgeText(who.token_expires_at(), run_.now()))
                : fmt::format("of {}, does not expire", who.user()),
        soon ? "get a new token and run `mooring login`" : "");
  }

  void CheckStatus() {
    const absl::Time asked = run_.now();
    const auto status = connection_->Call(&v1::FleetService::Stub::GetServerStatus,
                                          v1::GetServerStatusRequest(), absl::Seconds(10));
    if (!status.ok()) {
      AddFailure("status", status.status());
      return;
    }
    // The server's clock was read somewhere between question and answer.
    const absl::Duration trip = run_.now() - asked;
    const absl::Duration skew = ToTime(status->server_time()) - (asked + trip / 2);
    const bool skewed = absl::AbsDuration(skew) > kSkewMax;
    Add("clock", skewed ? cli::v1::CHECK_RESULT_WARNING : cli::v1::CHECK_RESULT_OK,
        fmt::format("the server is {} {}", DurationText(absl::AbsDuration(skew)),
                    skew < absl::ZeroDuration() ? "behind" : "ahead"),
        skewed ? "set both clocks by NTP" : "");
    const bool same = status->version() == MOORING_VERSION;
    Add("version", same ? cli::v1::CHECK_RESULT_OK : cli::v1::CHECK_RESULT_WARNING,
        fmt::format("server {}, mooring {}", status->version(), MOORING_VERSION),
        same ? "" : "install the same version of both");
    CheckStore(*status);
    const bool offline = status->agent_count() > 0 && status->agents_online() == 0;
    Add("agents", offline ? cli::v1::CHECK_RESULT_WARNING : cli::v1::CHECK_RESULT_OK,
        fmt::format("{} of {} online", status->agents_online(), status->agent_count()),
        offline ? "start mooring-agent on the workstations" : "");
    Add("approval", cli::v1::CHECK_RESULT_OK,
        status->single_admin() ? "single admin: people may approve their own requests"
                               : "two people");
  }

  void CheckStore(const v1::GetServerStatusResponse& status) {
    const bool full = status.store_free_bytes() <= status.store_reserve_bytes();
    Add("store", full ? cli::v1::CHECK_RESULT_FAILED : cli::v1::CHECK_RESULT_OK,
        fmt::format("{}, reserve {}",
                    RoomText(status.store_free_bytes(), status.store_total_bytes()),
                    BytesText(status.store_reserve_bytes())),
        full ? "new backups are refused: add space, or see `mooring repository prune --plan`" : "");
  }

  Invocation& run_;
  Connection* connection_ = nullptr;
  cli::v1::DoctorReport report_;
  ExitCode code_ = ExitCode::kOk;
};

absl::StatusOr<ExitCode> Doctor(Invocation& run) {
  Examination examination(run);
  examination.Run();
  if (run.output().is_structured()) {
    run.output().Print(examination.report());
    return examination.code();
  }
  Table table({{"CHECK"}, {"RESULT"}, {"DETAIL", false, true}});
  for (const cli::v1::Check& check : examination.report().checks()) {
    table.AddRow({check.name(), ResultCell(check), check.detail()});
  }
  run.output().Print(table);
  for (const cli::v1::Check& check : examination.report().checks()) {
    if (!check.next_step().empty()) run.output().Note(check.name() + ": " + check.next_step());
  }
  return examination.code();
}

}  // namespace

void AddDoctorCommands(CommandTree& tree) {
  tree.AddVerb(
      tree.app(),
      {"doctor", "Check the way to the server and what it says of itself", "mooring doctor"},
      Doctor);
}

}  // namespace mooring::admin
