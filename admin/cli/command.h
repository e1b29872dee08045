// The command tree: how a noun's file says which verbs it has, with what
// options, and what each does.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/App.hpp>
#include <absl/status/statusor.h>

#include "admin/cli/connection.h"
#include "admin/cli/environment.h"
#include "admin/cli/exit_code.h"
#include "admin/cli/output.h"

namespace mooring::admin {

// One run of one command. Thread-compatible.
class Invocation {
 public:
  Invocation(Environment& env, Format format, const CLI::App& tree)
      : env_(env), output_(env, format), tree_(tree) {}

  Environment& env() { return env_; }
  Output& output() { return output_; }
  // The whole tree, for completion.
  const CLI::App& tree() const { return tree_; }
  absl::Time now() { return env_.clock.Now(); }

  // The server that we are logged in to. Does not talk to it yet. The result
  // lives as long as the invocation.
  absl::StatusOr<Connection*> Connect();

 private:
  Environment& env_;
  Output output_;
  const CLI::App& tree_;
  std::optional<Connection> connection_;
};

// A status is printed and mapped; an exit code is what the action printed itself.
using Action = std::function<absl::StatusOr<ExitCode>(Invocation&)>;

// What a verb is called and how its help reads.
struct Verb {
  std::string name;
  std::string description;
  // One line that works as it stands.
  std::string example;
  // Has a CSV form as well.
  bool has_csv = false;
};

class CommandTree {
 public:
  CommandTree();

  CLI::App& app() { return app_; }
  // The action of the verb that was parsed; empty before.
  const Action& chosen() const { return chosen_; }
  // The format asked for. kInvalidArgument where the chosen verb does not have it.
  absl::StatusOr<Format> format() const;

  CLI::App& AddNoun(const std::string& name, const std::string& description);
  CLI::App& AddNoun(CLI::App& parent, const std::string& name, const std::string& description);
  // The options of the verb go on the result.
  CLI::App& AddVerb(CLI::App& noun, const Verb& verb, Action action);

 private:
  CLI::App app_;
  std::string format_ = "table";
  Action chosen_;
  bool chosen_has_csv_ = false;
};

// Each in commands/<noun>.cc.
void AddLoginCommands(CommandTree& tree);
void AddServerCommands(CommandTree& tree);
void AddAgentCommands(CommandTree& tree);
void AddPolicyCommands(CommandTree& tree);
void AddPersonCommands(CommandTree& tree);
void AddDeviceCommands(CommandTree& tree);
void AddSessionCommands(CommandTree& tree);
void AddSnapshotCommands(CommandTree& tree);
void AddRestoreCommands(CommandTree& tree);
void AddRequestCommands(CommandTree& tree);
void AddComplianceCommands(CommandTree& tree);
void AddRepositoryCommands(CommandTree& tree);
void AddDrillCommands(CommandTree& tree);
void AddHoldCommands(CommandTree& tree);
void AddCompletionCommands(CommandTree& tree);
void AddDoctorCommands(CommandTree& tree);

// All of them.
void AddCommands(CommandTree& tree);

// Parses `args` (without the program's name) and runs the command: all of main
// but the real environment.
ExitCode RunCommandLine(const std::vector<std::string>& args, Environment& env);

}  // namespace mooring::admin
