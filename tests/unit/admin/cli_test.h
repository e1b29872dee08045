// CliTest: whole command lines in this process, against a FakeServer.

#pragma once

#include <map>
#include <memory>
#include <sstream>
#include <stop_token>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "admin/cli/command.h"
#include "tests/support/subprocess.h"
#include "tests/unit/admin/fake_server.h"

namespace mooring::testing {

struct CliResult {
  int code = -1;
  std::string out;
  std::string err;
};

class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    variables_["MOORING_CONFIG"] = dir_.path() + "/config/mooring.yaml";
    variables_["MOORING_SERVER"] = "fake:7444";
    variables_["MOORING_TOKEN"] = kGoodToken;
    variables_["MOORING_CA"] = WriteFile("ca.pem", "-----BEGIN CERTIFICATE-----\n");
  }

  std::string WriteFile(const std::string& name, const std::string& text) {
    const std::string path = dir_.path() + "/" + name;
    EXPECT_TRUE(WriteFileDurably(RealFileSystem(), path, AsBytes(text)).ok());
    return path;
  }

  CliResult Run(const std::vector<std::string>& words, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    admin::Environment env{
        in,
        out,
        err,
        in_is_terminal_,
        out_is_terminal_,
        /*err_is_terminal=*/false,
        columns_,
        [this](const std::string& name) {
          const auto found = variables_.find(name);
          return found == variables_.end() ? std::nullopt
                                           : std::optional<std::string>(found->second);
        },
        clock_,
        random_,
        RealFileSystem(),
        stop_.get_token(),
        [this](const cli::v1::CliConfig& config) -> absl::StatusOr<std::shared_ptr<grpc::Channel>> {
          config_ = config;
          return channel_ != nullptr ? channel_ : server_.channel();
        }};
    CliResult result;
    result.code = static_cast<int>(admin::RunCommandLine(words, env));
    result.out = out.str();
    result.err = err.str();
    return result;
  }

  TempDir dir_;
  FakeServer server_;
  SystemClock clock_;
  SystemRandom random_;
  std::stop_source stop_;
  std::map<std::string, std::string> variables_;
  bool in_is_terminal_ = false;
  bool out_is_terminal_ = false;
  int columns_ = 0;
  // Instead of the fake's.
  std::shared_ptr<grpc::Channel> channel_;
  // What the last command connected with.
  cli::v1::CliConfig config_;
};

}  // namespace mooring::testing
