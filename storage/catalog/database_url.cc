#include "storage/catalog/database_url.h"

#include <map>
#include <memory>
#include <string_view>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "storage/base/status.h"

namespace mooring::storage {
namespace {

// Keywords that the text names, by name.
absl::StatusOr<std::map<std::string, std::string>> Parse(const std::string& url) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(url.c_str(), &error), &PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> owned_error(error, &PQfreemem);
  if (options == nullptr) {
    // The library's own message may quote the text, password included.
    return absl::InvalidArgumentError(
        "database: not a connection string; expected postgresql://user@host/database");
  }
  std::map<std::string, std::string> values;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) values[option->keyword] = option->val;
  }
  return values;
}

std::string Join(const std::map<std::string, std::string>& values) {
  std::string text;
  for (const auto& [keyword, value] : values) {
    text += fmt::format("{}{}='", text.empty() ? "" : " ", keyword);
    for (const char c : value) {
      if (c == '\'' || c == '\\') text += '\\';
      text += c;
    }
    text += '\'';
  }
  return text;
}

std::string PercentEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<std::string> ConnectOptions(const std::string& url) {
  MOORING_ASSIGN_OR_RETURN(auto values, Parse(url));
  // A peer that is gone without a word is noticed within half a minute.
  values.emplace("connect_timeout", "10");
  values.emplace("keepalives_idle", "10");
  values.emplace("keepalives_interval", "5");
  values.emplace("keepalives_count", "4");
  values.emplace("tcp_user_timeout", "30000");
  values.emplace("application_name", "mooring");
  values["client_encoding"] = "UTF8";
  return Join(values);
}

absl::StatusOr<std::string> WithDatabase(const std::string& url, const std::string& database) {
  MOORING_ASSIGN_OR_RETURN(auto values, Parse(url));
  values["dbname"] = database;
  return Join(values);
}

std::string DescribeDatabase(const std::string& url) {
  const auto parsed = Parse(url);
  if (!parsed.ok()) return "database";
  const auto value = [&parsed](const char* keyword, const char* otherwise) {
    const auto found = parsed->find(keyword);
    return found == parsed->end() ? std::string(otherwise) : found->second;
  };
  return fmt::format("database {} at {}:{}", value("dbname", "(default)"),
                     value("host", value("hostaddr", "(local)").c_str()), value("port", "5432"));
}

std::string SocketUrl(const std::string& socket_directory, const std::string& user,
                      const std::string& database) {
  return fmt::format("postgresql:///{}?host={}&user={}", PercentEncode(database),
                     PercentEncode(socket_directory), PercentEncode(user));
}

}  // namespace mooring::storage
