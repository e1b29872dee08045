#include "admin/cli/login_file.h"

#include <algorithm>
#include <charconv>

#include <absl/strings/str_cat.h>
#include <fmt/format.h>

#include "admin/cli/connection.h"
#include "proto/plain_text.h"
#include "proto/yaml_message.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

constexpr std::uint64_t kFileBytesMax = 1 << 20;
constexpr const char* kDefaultPort = "7444";

std::string VariableOrEmpty(const Environment& env, const std::string& name) {
  return env.variable(name).value_or("");
}

std::string DirectoryOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool IsPort(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0 && port < 65536;
}

// The part after the host; nullopt where `text` names no port.
std::optional<std::string> PortOf(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const std::size_t bracket = text.rfind(']');
  if (colon == std::string::npos) return std::nullopt;
  if (bracket != std::string::npos && colon < bracket) return std::nullopt;
  return text.substr(colon + 1);
}

}  // namespace

absl::StatusOr<std::string> LoginFilePath(const Environment& env) {
  if (std::string path = VariableOrEmpty(env, "MOORING_CONFIG"); !path.empty()) return path;
  if (const std::string xdg = VariableOrEmpty(env, "XDG_CONFIG_HOME"); !xdg.empty()) {
    return xdg + "/mooring/config.yaml";
  }
  if (const std::string home = VariableOrEmpty(env, "HOME"); !home.empty()) {
    return home + "/.config/mooring/config.yaml";
  }
  return absl::InvalidArgumentError("HOME is not set; set MOORING_CONFIG to a file");
}

absl::StatusOr<std::string> ParseServer(const std::string& text) {
  const bool bad_character = std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || byte >= 0x7F || c == '/' || c == ',';
  });
  const std::optional<std::string> port = PortOf(text);
  if (text.empty() || bad_character || (port.has_value() && !IsPort(*port)) || text[0] == ':') {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is not a server; write HOST or HOST:PORT", CleanText(text)));
  }
  return port.has_value() ? text : absl::StrCat(text, ":", kDefaultPort);
}

absl::StatusOr<std::string> ReadNamedFile(Environment& env, const std::string& path) {
  const absl::StatusOr<Bytes> bytes = env.files.Read(path, kFileBytesMax);
  if (!bytes.ok()) {
    // Whatever the reason: not to be taken for an answer of the server.
    return absl::UnknownError(
        fmt::format("cannot read {}: {}", path, std::string(bytes.status().message())));
  }
  return ToString(*bytes);
}

absl::StatusOr<cli::v1::CliConfig> LoadLogin(Environment& env) {
  cli::v1::CliConfig config;
  MOORING_ASSIGN_OR_RETURN(const std::string path, LoginFilePath(env));
  const absl::StatusOr<SecretBytes> stored = ReadSecretFile(env.files, path);
  if (stored.ok()) {
    MOORING_RETURN_IF_ERROR(Annotate(YamlToMessage(AsText(stored->view()), config), path));
  } else if (stored.status().code() != absl::StatusCode::kNotFound) {
    return Annotate(stored.status(), path);
  }
  if (const std::string server = VariableOrEmpty(env, "MOORING_SERVER"); !server.empty()) {
    config.set_server(server);
  }
  if (const std::string token = VariableOrEmpty(env, "MOORING_TOKEN"); !token.empty()) {
    config.set_token(token);
  }
  if (const std::string ca = VariableOrEmpty(env, "MOORING_CA"); !ca.empty()) {
    MOORING_ASSIGN_OR_RETURN(*config.mutable_ca_pem(), ReadNamedFile(env, ca));
  }
  if (config.server().empty() || config.token().empty() || config.ca_pem().empty()) {
    return WithNextStep(
        absl::UnauthenticatedError("not logged in"),
        "run `mooring login --server HOST:PORT --ca ca.pem --token-file FILE`, or set "
        "MOORING_SERVER, MOORING_TOKEN and MOORING_CA");
  }
  MOORING_ASSIGN_OR_RETURN(*config.mutable_server(), ParseServer(config.server()));
  return config;
}

absl::Status StoreLogin(Environment& env, const std::string& path,
                        const cli::v1::CliConfig& config) {
  MOORING_RETURN_IF_ERROR(env.files.CreateDirectories(DirectoryOf(path)));
  return WriteFileDurably(env.files, path, AsBytes(MessageToYaml(config)), 0600);
}

}  // namespace mooring::admin
