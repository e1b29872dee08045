// The tree as a whole: help, usage errors, formats, login.

#include "admin/cli/command.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "tests/unit/admin/cli_test.h"

namespace mooring::testing {
namespace {

using CommandTest = CliTest;

// The words of every command below `app`.
void Collect(const CLI::App& app, const std::vector<std::string>& path,
             std::vector<std::vector<std::string>>& leaves) {
  const auto children = app.get_subcommands([](const CLI::App*) { return true; });
  if (children.empty()) leaves.push_back(path);
  for (const CLI::App* child : children) {
    std::vector<std::string> words = path;
    words.push_back(child->get_name());
    Collect(*child, words, leaves);
  }
}

TEST_F(CommandTest, EveryCommandHelpsWithAnExample) {
  admin::CommandTree tree;
  admin::AddCommands(tree);
  std::vector<std::vector<std::string>> leaves;
  Collect(tree.app(), {}, leaves);
  EXPECT_GE(leaves.size(), 40U);
  for (std::vector<std::string> words : leaves) {
    std::string name = "mooring";
    for (const std::string& word : words) name += " " + word;
    words.emplace_back("--help");
    const CliResult result = Run(words);
    EXPECT_EQ(result.code, 0) << name;
    const std::size_t example = result.out.find("Example:\n  ");
    ASSERT_NE(example, std::string::npos) << name << "\n" << result.out;
    EXPECT_NE(result.out.find(name, example), std::string::npos)
        << "the example of " << name << " shows another command\n"
        << result.out;
  }
}

TEST_F(CommandTest, VersionAndHelpNeedNoServer) {
  EXPECT_EQ(Run({"--version"}).out, "mooring " MOORING_VERSION "\n");
  EXPECT_EQ(Run({"--help"}).code, 0);
  EXPECT_TRUE(server_.state().calls.empty());
}

TEST_F(CommandTest, UsageErrorsAreCodeTwo) {
  EXPECT_EQ(Run({}).code, 2);
  EXPECT_EQ(Run({"device"}).code, 2);
  EXPECT_EQ(Run({"device", "fly"}).code, 2);
  EXPECT_EQ(Run({"device", "get"}).code, 2);
  EXPECT_EQ(Run({"device", "list", "--nonsense"}).code, 2);
  EXPECT_EQ(Run({"device", "list", "-o", "xml"}).code, 2);
  EXPECT_EQ(Run({"agent", "invite", "create", "--uses", "0"}).code, 2);
  EXPECT_EQ(Run({"agent", "invite", "create", "--lifetime", "forever"}).code, 2);
  EXPECT_EQ(Run({"request", "list", "--state", "maybe"}).code, 2);
  EXPECT_TRUE(server_.state().calls.empty());
}

TEST_F(CommandTest, CsvIsForTheReportAlone) {
  EXPECT_EQ(Run({"device", "list", "-o", "csv"}).code, 2);
  EXPECT_EQ(Run({"compliance", "report", "-o", "csv"}).code, 0);
}

TEST_F(CommandTest, TheFormatGoesAnywhere) {
  EXPECT_EQ(Run({"-o", "json", "device", "list"}).out, "{\n  \"devices\": []\n}\n");
  EXPECT_EQ(Run({"device", "-o", "json", "list"}).out, "{\n  \"devices\": []\n}\n");
  EXPECT_EQ(Run({"device", "list", "-o", "yaml"}).out, "devices: []\n");
}

TEST_F(CommandTest, AWrongTokenIsDenied) {
  variables_["MOORING_TOKEN"] = "wrong";
  const CliResult result = Run({"device", "list"});
  EXPECT_EQ(result.code, 5);
  EXPECT_NE(result.err.find("mooring login"), std::string::npos) << result.err;
  EXPECT_EQ(result.out, "");
}

TEST_F(CommandTest, WithoutAServerItIsUnavailable) {
  channel_ = grpc::CreateChannel("127.0.0.1:1", grpc::InsecureChannelCredentials());
  const CliResult result = Run({"server", "status"});
  EXPECT_EQ(result.code, 7);
  EXPECT_NE(result.err.find("cannot reach fake:7444"), std::string::npos) << result.err;
}

TEST_F(CommandTest, NotLoggedInSaysWhatToDo) {
  variables_.erase("MOORING_TOKEN");
  const CliResult result = Run({"device", "list"});
  EXPECT_EQ(result.code, 5);
  EXPECT_NE(result.err.find("mooring login --server"), std::string::npos) << result.err;
}

TEST_F(CommandTest, LoginIsCheckedStoredAndUsed) {
  const std::string ca = variables_["MOORING_CA"];
  const std::string token = WriteFile("token", std::string(kGoodToken) + "\n");
  for (const char* name : {"MOORING_SERVER", "MOORING_TOKEN", "MOORING_CA"}) variables_.erase(name);
  const CliResult login =
      Run({"login", "--server", "backup.example.com", "--ca", ca, "--token-file", token});
  ASSERT_EQ(login.code, 0) << login.err;
  EXPECT_NE(login.out.find("Logged in to backup.example.com:7444 as ada"), std::string::npos);

  struct stat info = {};
  ASSERT_EQ(::stat(variables_["MOORING_CONFIG"].c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_EQ(Run({"device", "list"}).code, 0);
  EXPECT_EQ(config_.server(), "backup.example.com:7444");
  EXPECT_EQ(config_.token(), kGoodToken);
  EXPECT_EQ(config_.ca_pem(), "-----BEGIN CERTIFICATE-----\n");

  variables_["MOORING_SERVER"] = "other:1";
  EXPECT_EQ(Run({"device", "list"}).code, 0);
  EXPECT_EQ(config_.server(), "other:1") << "the environment goes first";

  EXPECT_EQ(Run({"logout"}).code, 0);
  EXPECT_EQ(Run({"device", "list"}).code, 5);
}

TEST_F(CommandTest, LoginTakesTheTokenFromStdin) {
  EXPECT_EQ(Run({"login", "--server", "s"}, std::string(kGoodToken) + "\n").code, 0);
  EXPECT_EQ(Run({"login", "--server", "s"}, "\n").code, 2);
}

TEST_F(CommandTest, LoginStoresNothingThatIsRefused) {
  variables_.erase("MOORING_TOKEN");
  EXPECT_EQ(Run({"login", "--server", "s"}, "wrong\n").code, 5);
  EXPECT_EQ(Run({"device", "list"}).code, 5);
  EXPECT_NE(::access(variables_["MOORING_CONFIG"].c_str(), F_OK), 0);
}

TEST_F(CommandTest, ALoginFileThatOthersCanReadIsRefused) {
  ASSERT_EQ(Run({"login", "--server", "s"}, std::string(kGoodToken) + "\n").code, 0);
  ASSERT_EQ(::chmod(variables_["MOORING_CONFIG"].c_str(), 0644), 0);
  EXPECT_EQ(Run({"device", "list"}).code, 5);
}

TEST_F(CommandTest, ServersAreHostsWithAPort) {
  for (const char* bad : {"", ":7444", "host:", "host:0", "host:99999", "ho st", "http://host"}) {
    variables_.erase("MOORING_SERVER");
    EXPECT_EQ(Run({"login", "--server", bad}, "t\n").code, 2) << bad;
  }
  EXPECT_EQ(Run({"login", "--server", "[::1]"}, std::string(kGoodToken)).code, 0);
  EXPECT_EQ(config_.server(), "[::1]:7444");
}

}  // namespace
}  // namespace mooring::testing
