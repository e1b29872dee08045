// mooring request list|approve|deny

#include <map>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/resolve.h"
#include "admin/cli/text.h"
#include "mooring/v1/access.grpc.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

struct RequestOptions {
  std::string id;
  std::string reason;
  v1::RequestState state = v1::REQUEST_STATE_UNSPECIFIED;
};

Cell StateOf(const v1::Request& request) {
  switch (request.state()) {
    case v1::REQUEST_STATE_APPROVED:
      return {EnumText(request.state()), Tone::kGood};
    case v1::REQUEST_STATE_PENDING:
      return {EnumText(request.state()), Tone::kWarning};
    default:
      return {EnumText(request.state()), Tone::kBad};
  }
}

void PrintRequest(Invocation& run, const v1::Request& request) {
  if (run.output().is_structured()) {
    run.output().Print(request);
    return;
  }
  Table table = FieldTable();
  table.AddRow({"id", ToHex(AsBytes(request.id()))});
  table.AddRow({"kind", EnumText(request.kind())});
  table.AddRow({"state", StateOf(request)});
  table.AddRow({"summary", request.summary()});
  table.AddRow({"reason", request.reason()});
  table.AddRow({"requested by", fmt::format("{}, {}", request.requested_by(),
                                            AgeText(request.requested_at(), run.now()))});
  if (!request.decided_by().empty()) {
    table.AddRow({"decided by", fmt::format("{}, {}", request.decided_by(),
                                            AgeText(request.decided_at(), run.now()))});
  }
  table.AddRow({"expires", AgeText(request.expires_at(), run.now())});
  run.output().Print(table);
}

absl::StatusOr<ExitCode> List(Invocation& run, const RequestOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::ListRequestsRequest request;
  request.set_state(options.state);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::AccessService::Stub::ListRequests, request));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  Table table({{"ID"},
               {"KIND"},
               {"STATE"},
               {"BY"},
               {"REQUESTED"},
               {"DECIDED BY"},
               {"SUMMARY", false, true},
               {"REASON", false, true}});
  for (const v1::Request& one : response.requests()) {
    table.AddRow({ShortId(one.id()), EnumText(one.kind()), StateOf(one), one.requested_by(),
                  AgeText(one.requested_at(), run.now()),
                  one.decided_by().empty() ? "-" : one.decided_by(), one.summary(), one.reason()});
  }
  run.output().Print(table);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Approve(Invocation& run, const RequestOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::ApproveRequestRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_request_id(), ResolveRequest(*connection, options.id));
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::AccessService::Stub::ApproveRequest, request));
  PrintRequest(run, response.request());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Deny(Invocation& run, const RequestOptions& options) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  v1::DenyRequestRequest request;
  MOORING_ASSIGN_OR_RETURN(*request.mutable_request_id(), ResolveRequest(*connection, options.id));
  request.set_reason(options.reason);
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::AccessService::Stub::DenyRequest, request));
  PrintRequest(run, response.request());
  return ExitCode::kOk;
}

}  // namespace

void AddRequestCommands(CommandTree& tree) {
  CLI::App& request = tree.AddNoun("request", "What waits for another person's approval");
  auto list = std::make_shared<RequestOptions>();
  const std::map<std::string, v1::RequestState> states = {{"pending", v1::REQUEST_STATE_PENDING},
                                                          {"approved", v1::REQUEST_STATE_APPROVED},
                                                          {"denied", v1::REQUEST_STATE_DENIED},
                                                          {"expired", v1::REQUEST_STATE_EXPIRED}};
  tree.AddVerb(request, {"list", "Requests", "mooring request list --state pending"},
               [list](Invocation& run) { return List(run, *list); })
      .add_option("--state", list->state, "pending, approved, denied or expired")
      ->transform(CLI::CheckedTransformer(states, CLI::ignore_case));

  auto approve = std::make_shared<RequestOptions>();
  tree.AddVerb(
          request,
          {"approve", "Let it happen; not one's own request, unless the server is single-admin",
           "mooring request approve 3f9a1c"},
          [approve](Invocation& run) { return Approve(run, *approve); })
      .add_option("ID", approve->id, "id of the request")
      ->required();

  auto deny = std::make_shared<RequestOptions>();
  CLI::App& deny_verb = tree.AddVerb(
      request, {"deny", "Refuse it", "mooring request deny 3f9a1c --reason 'ask the owner first'"},
      [deny](Invocation& run) { return Deny(run, *deny); });
  deny_verb.add_option("ID", deny->id, "id of the request")->required();
  deny_verb.add_option("--reason", deny->reason, "shown to the one who asked")->required();
}

}  // namespace mooring::admin
