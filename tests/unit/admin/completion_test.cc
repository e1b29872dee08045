#include "admin/cli/completion.h"

#include <string>

#include <gtest/gtest.h>

#include "admin/cli/command.h"
#include "tests/support/subprocess.h"

namespace mooring::admin {
namespace {

using mooring::testing::RunProgram;
using mooring::testing::RunResult;

// What bash offers after `line`, of which the last word is being typed.
std::string Complete(const std::string& words, int index) {
  CommandTree tree;
  AddCommands(tree);
  const std::string script = CompletionScript(tree.app(), Shell::kBash) + "COMP_WORDS=(" + words +
                             ")\nCOMP_CWORD=" + std::to_string(index) +
                             "\n_mooring\necho \"${COMPREPLY[*]}\"\n";
  const RunResult result = RunProgram({"bash", "-c", script});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return result.out;
}

TEST(CompletionTest, BashOffersNounsVerbsAndOptions) {
  EXPECT_EQ(Complete("mooring dev", 1), "device\n");
  EXPECT_EQ(Complete("mooring device a", 2), "assign admit\n");
  EXPECT_EQ(Complete("mooring agent invite r", 3), "revoke\n");
  EXPECT_EQ(Complete("mooring repository prune --p", 3), "--plan\n");
  EXPECT_EQ(Complete("mooring device list -o j", 4), "json\n");
  EXPECT_EQ(Complete("mooring -o json device ass", 4), "assign\n");
}

// Every command of the tree stands in each script.
TEST(CompletionTest, ScriptsKnowTheWholeTree) {
  CommandTree tree;
  AddCommands(tree);
  for (const Shell shell : {Shell::kBash, Shell::kZsh, Shell::kFish}) {
    const std::string script = CompletionScript(tree.app(), shell);
    for (const CLI::App* noun : tree.app().get_subcommands([](const CLI::App*) { return true; })) {
      EXPECT_NE(script.find("'mooring " + noun->get_name() + "'"), std::string::npos)
          << noun->get_name();
    }
    EXPECT_NE(script.find("'mooring agent invite create'"), std::string::npos);
  }
}

}  // namespace
}  // namespace mooring::admin
