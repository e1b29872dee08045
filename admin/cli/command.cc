#include "admin/cli/command.h"

#include <algorithm>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "admin/cli/login_file.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

constexpr const char* kFooter =
    "First: mooring login --server HOST:7444 --ca ca.pem --token-file admin-token\n"
    "Exit codes: 0 ok, 1 error, 2 usage, 3 partial, 4 not found, 5 denied, 6 waiting for\n"
    "approval or blocked, 7 unavailable, 8 findings, 9 integrity error, 10 waiting for a person\n"
    "Example:\n  mooring device list -o json";

Format FormatOf(const std::string& name) {
  if (name == "json") return Format::kJson;
  if (name == "yaml") return Format::kYaml;
  if (name == "csv") return Format::kCsv;
  return Format::kTable;
}

void PrintError(Output& output, const absl::Status& status) {
  const absl::string_view message = status.message();
  output.Note(fmt::format("mooring: {}", message.empty() ? absl::StatusCodeToString(status.code())
                                                         : std::string(message)));
  const v1::ErrorDetail detail = ErrorDetailOf(status).value_or(v1::ErrorDetail());
  if (!detail.next_step().empty()) output.Note("  " + detail.next_step());
  if (!detail.incident().empty()) output.Note("  incident " + detail.incident());
}

ExitCode Run(const CommandTree& tree, const CLI::App& app, Environment& env) {
  const absl::StatusOr<Format> format = tree.format();
  Invocation invocation(env, format.value_or(Format::kTable), app);
  if (!format.ok()) {
    PrintError(invocation.output(), format.status());
    return ExitCodeOf(format.status());
  }
  const absl::StatusOr<ExitCode> result = tree.chosen()(invocation);
  invocation.output().EndProgress();
  env.out << std::flush;
  if (!result.ok()) {
    PrintError(invocation.output(), result.status());
    return ExitCodeOf(result.status());
  }
  return *result;
}

}  // namespace

absl::StatusOr<Connection*> Invocation::Connect() {
  if (!connection_.has_value()) {
    MOORING_ASSIGN_OR_RETURN(const cli::v1::CliConfig config, LoadLogin(env_));
    MOORING_ASSIGN_OR_RETURN(auto channel, env_.channels(config));
    connection_.emplace(std::move(channel), config.server(), config.token(), env_.clock, env_.stop);
  }
  return &*connection_;
}

CommandTree::CommandTree()
    : app_("Back up a fleet of phones: the administrator's command line.", "mooring") {
  app_.set_version_flag("--version", "mooring " MOORING_VERSION);
  app_.fallthrough();
  app_.require_subcommand(1);
  app_.add_option("-o,--output", format_, "table, json or yaml (compliance report: also csv)")
      ->check(CLI::IsMember({"table", "json", "yaml", "csv"}));
  app_.footer(kFooter);
}

absl::StatusOr<Format> CommandTree::format() const {
  const Format format = FormatOf(format_);
  if (format == Format::kCsv && !chosen_has_csv_) {
    return absl::InvalidArgumentError("-o csv is for `mooring compliance report` alone");
  }
  return format;
}

CLI::App& CommandTree::AddNoun(const std::string& name, const std::string& description) {
  return AddNoun(app_, name, description);
}

CLI::App& CommandTree::AddNoun(CLI::App& parent, const std::string& name,
                               const std::string& description) {
  CLI::App* noun = parent.add_subcommand(name, description);
  noun->require_subcommand(1);
  noun->footer("");
  return *noun;
}

CLI::App& CommandTree::AddVerb(CLI::App& noun, const Verb& verb, Action action) {
  CLI::App* app = noun.add_subcommand(verb.name, verb.description);
  app->footer("Example:\n  " + verb.example);
  app->callback([this, action = std::move(action), has_csv = verb.has_csv] {
    chosen_ = action;
    chosen_has_csv_ = has_csv;
  });
  return *app;
}

void AddCommands(CommandTree& tree) {
  AddLoginCommands(tree);
  AddServerCommands(tree);
  AddAgentCommands(tree);
  AddPolicyCommands(tree);
  AddPersonCommands(tree);
  AddDeviceCommands(tree);
  AddSessionCommands(tree);
  AddSnapshotCommands(tree);
  AddRestoreCommands(tree);
  AddHoldCommands(tree);
  AddRequestCommands(tree);
  AddComplianceCommands(tree);
  AddRepositoryCommands(tree);
  AddDrillCommands(tree);
  AddCompletionCommands(tree);
  AddDoctorCommands(tree);
}

ExitCode RunCommandLine(const std::vector<std::string>& args, Environment& env) {
  CommandTree tree;
  AddCommands(tree);
  // CLI11 reports by exception: the only place that catches them. It takes the
  // arguments in reverse.
  std::vector<std::string> reversed(args.rbegin(), args.rend());
  try {
    tree.app().parse(reversed);
  } catch (const CLI::Success& success) {
    tree.app().exit(success, env.out, env.err);
    return ExitCode::kOk;
  } catch (const CLI::ParseError& error) {
    tree.app().exit(error, env.out, env.err);
    return ExitCode::kUsage;
  }
  return Run(tree, tree.app(), env);
}

}  // namespace mooring::admin
