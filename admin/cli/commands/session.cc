// mooring session list|watch

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/resolve.h"
#include "admin/cli/text.h"
#include "mooring/v1/fleet.grpc.pb.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

// Sessions that `watch` keeps on the screen; ended ones go first.
constexpr std::size_t kWatchedMax = 200;

struct SessionOptions {
  std::string device;
  std::uint32_t limit = 100;
  bool until_idle = false;
};

Cell StateOf(const v1::Session& session) {
  switch (session.state()) {
    case v1::SESSION_STATE_COMMITTED:
      return {EnumText(session.state()), Tone::kGood};
    case v1::SESSION_STATE_OPEN:
      return EnumText(session.progress().phase() == v1::PHASE_UNSPECIFIED
                          ? v1::PHASE_CONNECTING
                          : session.progress().phase());
    default:
      return {EnumText(session.state()), Tone::kBad};
  }
}

std::string PercentText(const v1::Session& session) {
  const std::int32_t percent = session.progress().percent();
  if (session.state() != v1::SESSION_STATE_OPEN || percent < 0) return "";
  return fmt::format("{}%", percent);
}

std::string RemarkOf(const v1::Session& session) {
  if (session.state() == v1::SESSION_STATE_OPEN) {
    if (session.progress().waiting_for() == v1::WAITING_FOR_UNSPECIFIED) {
      return session.progress().message();
    }
    return fmt::format("waiting for {}: {}", EnumText(session.progress().waiting_for()),
                       session.progress().message());
  }
  if (session.cause() == v1::CAUSE_UNSPECIFIED) return session.message();
  return fmt::format("{}: {}", EnumText(session.cause()), session.message());
}

Table SessionTable(const std::vector<v1::Session>& sessions, absl::Time now) {
  Table table({{"ID"},
               {"SERIAL"},
               {"AGENT", false, true},
               {"STARTED"},
               {"STATE"},
               {"DONE", true},
               {"KIND"},
               {"READ", true},
               {"NEW", true},
               {"REMARK", false, true}});
  for (const v1::Session& session : sessions) {
    const bool open = session.state() == v1::SESSION_STATE_OPEN;
    table.AddRow({ShortId(session.id()), session.serial(), session.agent_hostname(),
                  AgeText(session.started_at(), now), StateOf(session), PercentText(session),
                  session.incremental() ? "incremental" : "full",
                  BytesText(open ? session.progress().bytes_read() : session.read_bytes()),
                  BytesText(open ? session.progress().bytes_new() : session.new_bytes()),
                  RemarkOf(session)});
  }
  return table;
}

absl::StatusOr<v1::ListSessionsResponse> FetchSessions(Connection& connection,
                                                       const std::string& device,
                                                       std::uint32_t limit) {
  v1::ListSessionsRequest request;
  request.set_device(device);
  request.set_limit(limit);
  return connection.Call(&v1::FleetService::Stub::ListSessions, request);
}

absl::StatusOr<ExitCode> List(Invocation& run, const SessionOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(const std::string device, ResolveDevice(*connection, options.device));
  MOORING_ASSIGN_OR_RETURN(const auto response, FetchSessions(*connection, device, options.limit));
  if (run.output().is_structured()) {
    run.output().Print(response);
  } else {
    run.output().Print(
        SessionTable({response.sessions().begin(), response.sessions().end()}, run.now()));
  }
  return ExitCode::kOk;
}

// What is on the screen, in the order in which sessions appeared.
class WatchedSessions {
 public:
  void Update(const v1::Session& session) {
    const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                    [&](const auto& known) { return known.id() == session.id(); });
    if (found != sessions_.end()) {
      *found = session;
      return;
    }
    if (sessions_.size() >= kWatchedMax) {
      const auto ended = std::find_if(sessions_.begin(), sessions_.end(), [](const auto& known) {
        return known.state() != v1::SESSION_STATE_OPEN;
      });
      sessions_.erase(ended != sessions_.end() ? ended : sessions_.begin());
    }
    sessions_.push_back(session);
  }

  bool any_open() const {
    return std::any_of(sessions_.begin(), sessions_.end(), [](const auto& session) {
      return session.state() == v1::SESSION_STATE_OPEN;
    });
  }
  const std::vector<v1::Session>& sessions() const { return sessions_; }

 private:
  std::vector<v1::Session> sessions_;
};

absl::StatusOr<bool> IsIdle(Connection& connection, const std::string& device) {
  MOORING_ASSIGN_OR_RETURN(const auto response, FetchSessions(connection, device, 1000));
  return std::none_of(
      response.sessions().begin(), response.sessions().end(),
      [](const v1::Session& session) { return session.state() == v1::SESSION_STATE_OPEN; });
}

absl::StatusOr<ExitCode> Watch(Invocation& run, const SessionOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(const std::string device, ResolveDevice(*connection, options.device));
  if (options.until_idle) {
    MOORING_ASSIGN_OR_RETURN(const bool idle, IsIdle(*connection, device));
    if (idle) {
      run.output().Note("No session runs.");
      return ExitCode::kOk;
    }
  }
  v1::WatchSessionsRequest request;
  request.set_device(device);
  auto stream = connection->Stream(&v1::FleetService::Stub::WatchSessions, request);
  WatchedSessions watched;
  std::size_t lines_shown = 0;
  v1::WatchSessionsResponse response;
  while (stream.Read(response)) {
    watched.Update(response.session());
    if (run.output().is_structured()) {
      run.output().PrintOne(response.session());
    } else if (run.env().out_is_terminal) {
      run.output().Rewind(lines_shown);
      run.output().Print(SessionTable(watched.sessions(), run.now()));
      lines_shown = watched.sessions().size() + 1;
    } else {
      run.output().PrintLine(
          fmt::format("{} {} {} {}", ShortId(response.session().id()), response.session().serial(),
                      StateOf(response.session()).text, RemarkOf(response.session())));
    }
    if (options.until_idle && !watched.any_open()) {
      MOORING_ASSIGN_OR_RETURN(const bool idle, IsIdle(*connection, device));
      if (idle) return ExitCode::kOk;
    }
  }
  const absl::Status status = stream.Finish();
  if (status.ok() || run.env().stop.stop_requested()) return ExitCode::kOk;
  return connection->Explain(status);
}

}  // namespace

void AddSessionCommands(CommandTree& tree) {
  CLI::App& session = tree.AddNoun("session", "Backup runs");
  auto list = std::make_shared<SessionOptions>();
  CLI::App& list_verb =
      tree.AddVerb(session, {"list", "Runs, newest first", "mooring session list --limit 20"},
                   [list](Invocation& run) { return List(run, *list); });
  list_verb.add_option("--device", list->device, "UDID, serial number or id");
  list_verb.add_option("--limit", list->limit, "at most so many")
      ->check(CLI::Range(1U, 10'000U))
      ->capture_default_str();
  auto watch = std::make_shared<SessionOptions>();
  CLI::App& watch_verb = tree.AddVerb(session,
                                      {"watch", "What runs now, as it changes; Ctrl-C ends it",
                                       "mooring session watch --until-idle -o json"},
                                      [watch](Invocation& run) { return Watch(run, *watch); });
  watch_verb.add_option("--device", watch->device, "UDID, serial number or id");
  watch_verb.add_flag("--until-idle", watch->until_idle, "end when nothing runs any more");
}

}  // namespace mooring::admin
