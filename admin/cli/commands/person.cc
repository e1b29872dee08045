// mooring person create|list|get

#include <algorithm>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/text.h"
#include "mooring/v1/fleet.grpc.pb.h"
#include "proto/plain_text.h"
#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

void PrintPerson(Invocation& run, const v1::Person& person) {
  if (run.output().is_structured()) {
    run.output().Print(person);
    return;
  }
  Table table = FieldTable();
  table.AddRow({"id", ToHex(AsBytes(person.id()))});
  table.AddRow({"handle", person.handle()});
  table.AddRow({"name", person.name()});
  table.AddRow({"email", person.email()});
  table.AddRow({"group", person.group()});
  table.AddRow({"devices", fmt::format("{}", person.device_count())});
  table.AddRow({"created", TimeText(person.created_at())});
  run.output().Print(table);
}

absl::StatusOr<ExitCode> Create(Invocation& run, const v1::CreatePersonRequest& request) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  MOORING_ASSIGN_OR_RETURN(const auto response,
                           connection->Call(&v1::FleetService::Stub::CreatePerson, request));
  PrintPerson(run, response.person());
  return ExitCode::kOk;
}

absl::StatusOr<v1::ListPeopleResponse> People(Invocation& run) {
  MOORING_ASSIGN_OR_RETURN(Connection * connection, run.Connect());
  return connection->Call(&v1::FleetService::Stub::ListPeople, v1::ListPeopleRequest());
}

absl::StatusOr<ExitCode> List(Invocation& run) {
  MOORING_ASSIGN_OR_RETURN(const auto response, People(run));
  if (run.output().is_structured()) {
    run.output().Print(response);
    return ExitCode::kOk;
  }
  Table table({{"HANDLE"},
               {"NAME", false, true},
               {"EMAIL", false, true},
               {"GROUP"},
               {"DEVICES", true},
               {"CREATED"}});
  for (const v1::Person& person : response.people()) {
    table.AddRow({person.handle(), person.name(), person.email(), person.group(),
                  fmt::format("{}", person.device_count()),
                  AgeText(person.created_at(), run.now())});
  }
  run.output().Print(table);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Get(Invocation& run, const std::string& handle) {
  MOORING_ASSIGN_OR_RETURN(const auto response, People(run));
  const auto found =
      std::find_if(response.people().begin(), response.people().end(),
                   [&](const v1::Person& person) { return person.handle() == handle; });
  if (found == response.people().end()) {
    return absl::NotFoundError(fmt::format("there is no person {}", CleanText(handle)));
  }
  PrintPerson(run, *found);
  return ExitCode::kOk;
}

}  // namespace

void AddPersonCommands(CommandTree& tree) {
  CLI::App& person = tree.AddNoun("person", "The people whose phones are backed up");
  auto request = std::make_shared<v1::CreatePersonRequest>();
  CLI::App& create =
      tree.AddVerb(person,
                   {"create", "Add a person",
                    "mooring person create --handle iris --name 'Iris Meyer' --group staff"},
                   [request](Invocation& run) { return Create(run, *request); });
  create
      .add_option("--handle", *request->mutable_handle(), "unique: a login or an employee number")
      ->required();
  create.add_option("--name", *request->mutable_name(), "full name");
  create.add_option("--email", *request->mutable_email(), "mail address");
  create.add_option("--group", *request->mutable_group(), "policy group; default: default");
  tree.AddVerb(person, {"list", "All people", "mooring person list"}, List);
  auto handle = std::make_shared<std::string>();
  tree.AddVerb(person, {"get", "One person", "mooring person get iris"},
               [handle](Invocation& run) { return Get(run, *handle); })
      .add_option("HANDLE", *handle, "what `person list` shows first")
      ->required();
}

}  // namespace mooring::admin
