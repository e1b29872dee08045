#include "server/config/endpoints_file.h"

#include <string_view>

#include <fmt/format.h>

#include "server/log/json_text.h"

namespace mooring::server {
namespace {

// The value of `key` in a file of ours; addresses hold nothing that is escaped.
std::string ValueOf(std::string_view text, std::string_view key) {
  const std::string wanted = fmt::format("\"{}\": \"", key);
  const std::size_t at = text.find(wanted);
  if (at == std::string_view::npos) return "";
  const std::size_t begin = at + wanted.size();
  const std::size_t end = text.find('"', begin);
  return end == std::string_view::npos ? "" : std::string(text.substr(begin, end - begin));
}

}  // namespace

absl::Status WriteEndpoints(FileSystem& files, const std::string& path,
                            const Endpoints& endpoints) {
  const std::string text = fmt::format("{{\"agents\": {}, \"enrollment\": {}, \"metrics\": {}}}\n",
                                       JsonText(endpoints.agents), JsonText(endpoints.enrollment),
                                       JsonText(endpoints.metrics));
  return WriteFileDurably(files, path, AsBytes(text), 0644);
}

Endpoints ReadEndpoints(FileSystem& files, const std::string& path) {
  const auto bytes = files.Read(path, 4096);
  if (!bytes.ok()) return {};
  const std::string_view text = AsText(*bytes);
  return {.agents = ValueOf(text, "agents"),
          .enrollment = ValueOf(text, "enrollment"),
          .metrics = ValueOf(text, "metrics")};
}

}  // namespace mooring::server
