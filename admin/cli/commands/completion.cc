// mooring completion bash|zsh|fish

#include "admin/cli/completion.h"

#include "admin/cli/command.h"

namespace mooring::admin {
namespace {

Action PrintFor(Shell shell) {
  return [shell](Invocation& run) -> absl::StatusOr<ExitCode> {
    run.output().PrintRaw(CompletionScript(run.tree(), shell));
    return ExitCode::kOk;
  };
}

}  // namespace

void AddCompletionCommands(CommandTree& tree) {
  CLI::App& completion = tree.AddNoun("completion", "Completion scripts for shells");
  tree.AddVerb(completion, {"bash", "For bash", "source <(mooring completion bash)"},
               PrintFor(Shell::kBash));
  tree.AddVerb(completion, {"zsh", "For zsh", "source <(mooring completion zsh)"},
               PrintFor(Shell::kZsh));
  tree.AddVerb(completion, {"fish", "For fish", "mooring completion fish | source"},
               PrintFor(Shell::kFish));
}

}  // namespace mooring::admin
