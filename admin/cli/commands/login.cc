// mooring login, mooring logout

#include <iterator>
#include <memory>
#include <string>

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include "admin/cli/command.h"
#include "admin/cli/login_file.h"
#include "admin/cli/text.h"
#include "mooring/v1/access.grpc.pb.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

constexpr std::size_t kTokenBytesMax = 4096;

struct LoginOptions {
  std::string server;
  std::string ca_file;
  std::string token_file;
};

std::string Stripped(const std::string& text) {
  return std::string(absl::StripAsciiWhitespace(text));
}

// From the file, from stdin, or typed.
absl::StatusOr<std::string> ReadToken(Environment& env, Output& output, const std::string& file) {
  std::string token;
  if (!file.empty() && file != "-") {
    MOORING_ASSIGN_OR_RETURN(token, ReadNamedFile(env, file));
  } else {
    if (env.in_is_terminal) output.Note("token:");
    std::getline(env.in, token);
  }
  token = Stripped(token);
  const bool plain = std::all_of(token.begin(), token.end(),
                                 [](unsigned char c) { return absl::ascii_isgraph(c); });
  if (token.empty() || token.size() > kTokenBytesMax || !plain) {
    return absl::InvalidArgumentError(
        "there is no token; give --token-file FILE, or the token on stdin");
  }
  return token;
}

absl::StatusOr<ExitCode> Login(Invocation& run, const LoginOptions& options) {
  Environment& env = run.env();
  cli::v1::CliConfig config;
  MOORING_ASSIGN_OR_RETURN(
      *config.mutable_server(),
      ParseServer(options.server.empty() ? env.variable("MOORING_SERVER").value_or("")
                                         : options.server));
  const std::string ca_file =
      options.ca_file.empty() ? env.variable("MOORING_CA").value_or("") : options.ca_file;
  if (ca_file.empty()) {
    return absl::InvalidArgumentError("give --ca FILE: the ca.pem that `mooringd init` left");
  }
  MOORING_ASSIGN_OR_RETURN(*config.mutable_ca_pem(), ReadNamedFile(env, ca_file));
  MOORING_ASSIGN_OR_RETURN(*config.mutable_token(),
                           ReadToken(env, run.output(), options.token_file));
  // Nothing is stored that the server does not accept.
  MOORING_ASSIGN_OR_RETURN(auto channel, env.channels(config));
  Connection connection(std::move(channel), config.server(), config.token(), env.clock, env.stop);
  MOORING_ASSIGN_OR_RETURN(const auto who,
                           connection.Call(&v1::AccessService::Stub::WhoAmI, v1::WhoAmIRequest()));
  MOORING_ASSIGN_OR_RETURN(const std::string path, LoginFilePath(env));
  MOORING_RETURN_IF_ERROR(Annotate(StoreLogin(env, path, config), "store the login in " + path));

  cli::v1::Login login;
  login.set_server(config.server());
  login.set_user(who.user());
  *login.mutable_token_expires_at() = who.token_expires_at();
  login.set_config_file(path);
  if (run.output().is_structured()) {
    run.output().Print(login);
  } else {
    run.output().PrintLine(fmt::format("Logged in to {} as {}. The token expires {}.",
                                       config.server(), who.user(),
                                       AgeText(who.token_expires_at(), run.now())));
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Logout(Invocation& run) {
  MOORING_ASSIGN_OR_RETURN(const std::string path, LoginFilePath(run.env()));
  MOORING_RETURN_IF_ERROR(run.env().files.Remove(path));
  run.output().Note("Logged out: " + path + " is gone. The token itself lives until it expires.");
  return ExitCode::kOk;
}

}  // namespace

void AddLoginCommands(CommandTree& tree) {
  auto options = std::make_shared<LoginOptions>();
  CLI::App& login = tree.AddVerb(
      tree.app(),
      {"login", "Check a token with a server and remember both",
       "mooring login --server backup.example.com:7444 --ca ca.pem --token-file admin-token"},
      [options](Invocation& run) { return Login(run, *options); });
  login.add_option("--server", options->server, "HOST or HOST:PORT (port 7444)");
  login.add_option("--ca", options->ca_file, "PEM file of the server's CA");
  login.add_option("--token-file", options->token_file, "file with the token; - or nothing: stdin");
  tree.AddVerb(tree.app(), {"logout", "Forget the server and the token", "mooring logout"}, Logout);
}

}  // namespace mooring::admin
