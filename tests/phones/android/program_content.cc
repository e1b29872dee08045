#include <charconv>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/phones/android/flags.h"
#include "tests/phones/android/programs.h"
#include "tests/phones/android/providers.h"

namespace mooring::testing::android {
namespace {

std::string MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

std::vector<std::string> SplitAt(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// As Content.java prints it: no escapes, NULL and BLOB as words.
std::string ShownValue(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *number);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return std::holds_alternative<Blob>(value) ? "BLOB" : "NULL";
}

// "name:type:value"
absl::StatusOr<std::pair<std::string, Value>> ParseBinding(const std::string& text) {
  const std::size_t first = text.find(':');
  if (first == std::string::npos || first + 2 > text.size()) {
    return absl::InvalidArgumentError("Binding not well formed: " + text);
  }
  const std::string name = text.substr(0, first);
  const char type = text[first + 1];
  if (type == 'n') return std::pair(name, Value());
  if (text.size() < first + 3 || text[first + 2] != ':') {
    return absl::InvalidArgumentError("Binding not well formed: " + text);
  }
  const std::string value = text.substr(first + 3);
  const char* end = value.data() + value.size();
  std::int64_t number = 0;
  switch (type) {
    case 's':
      return std::pair(name, Value(value));
    case 'b':
      return std::pair(name, Value(std::int64_t{value == "true" ? 1 : 0}));
    case 'i':
    case 'l':
      if (value.empty() || std::from_chars(value.data(), end, number).ptr != end) {
        return absl::InvalidArgumentError("For input string: \"" + value + "\"");
      }
      return std::pair(name, Value(number));
    case 'f':
    case 'd':
      return std::pair(name, Value(std::strtod(value.c_str(), nullptr)));
    default:
      return absl::InvalidArgumentError(fmt::format("Unsupported type: {}", type));
  }
}

class ContentTool {
 public:
  ContentTool(const ShellContext& context, Flags flags, std::string verb)
      : context_(context), flags_(std::move(flags)), verb_(std::move(verb)) {}

  int Run() {
    const std::string uri = flags_.Get("uri");
    if (uri.empty())
      return Usage("Content provider URI not specified. Did you specify --uri argument?");
    if (flags_.Get("user", "0") != "0" && flags_.Get("user") != "current") {
      return Complain(uri,
                      "java.lang.SecurityException: Shell does not have permission to access "
                      "user " +
                          flags_.Get("user"));
    }
    if (context_.phone.is_locked_since_boot()) {
      // Credential-protected storage: the provider does not run yet.
      return Complain(uri, "java.lang.IllegalStateException: Could not find provider: " + uri);
    }
    const ProviderQuery query{.uri = uri,
                              .projection = SplitAt(flags_.Get("projection"), ':'),
                              .where = flags_.Get("where"),
                              .sort = flags_.Get("sort")};
    if (verb_ == "query") return Query(query);
    if (verb_ == "read") return Read(uri);
    if (verb_ == "call") return Call();
    if (verb_ == "gettype") return Say("Result: vnd.android.cursor.dir/item\n");
    Bindings values;
    for (const std::string& text : flags_.All("bind")) {
      absl::StatusOr<std::pair<std::string, Value>> binding = ParseBinding(text);
      if (!binding.ok()) return Usage(MessageOf(binding.status()));
      values.push_back(*std::move(binding));
    }
    Providers& providers = context_.phone.providers();
    if (verb_ == "insert") {
      const auto id = providers.Insert(uri, values);
      return id.ok() ? 0 : Complain(uri, Exception(id.status()));
    }
    if (verb_ == "update") {
      const auto count = providers.Update(query, values);
      return count.ok() ? 0 : Complain(uri, Exception(count.status()));
    }
    if (verb_ == "delete") {
      const auto count = providers.Delete(query);
      return count.ok() ? 0 : Complain(uri, Exception(count.status()));
    }
    return Usage("Unsupported operation: " + verb_);
  }

 private:
  int Say(std::string_view text) const { return context_.out.Write(text) ? 0 : 1; }

  int Usage(const std::string& text) const {
    (void)context_.err.Write("[ERROR] " + text +
                             "\n\nusage: adb shell content [subcommand] [options]\n");
    return 1;
  }

  static std::string Exception(const absl::Status& status) {
    const std::string kind = absl::IsPermissionDenied(status) ? "java.lang.SecurityException: "
                             : absl::IsNotFound(status)
                                 ? "java.lang.IllegalStateException: "
                                 : "android.database.sqlite.SQLiteException: ";
    return kind + MessageOf(status);
  }

  // Android 11 and older say it and exit 0 all the same.
  int Complain(std::string_view uri, const std::string& exception) const {
    std::string_view authority = uri.substr(std::min<std::size_t>(uri.size(), 10));
    authority = authority.substr(0, authority.find('/'));
    (void)context_.err.Write(
        fmt::format("Error while accessing provider:{}\n{}\n"
                    "\tat android.os.Parcel.createExceptionOrNull(Parcel.java:2376)\n"
                    "\tat com.android.commands.content.Content.main(Content.java:735)\n",
                    authority, exception));
    return context_.phone.options().android >= 12 ? 1 : 0;
  }

  int Query(const ProviderQuery& query) const {
    if (query.uri.starts_with("content://settings/")) return QuerySettings(query);
    const absl::StatusOr<QueryResult> result = context_.phone.providers().Query(query);
    if (!result.ok()) return Complain(query.uri, Exception(result.status()));
    if (result->rows.empty()) return Say("No result found.\n");
    const bool is_forging = context_.phone.IsHostile("forged-rows");
    for (std::size_t i = 0; i < result->rows.size(); ++i) {
      std::string line = fmt::format("Row: {} ", i);
      for (std::size_t column = 0; column < result->columns.size(); ++column) {
        line += fmt::format("{}{}={}", column == 0 ? "" : ", ", result->columns[column],
                            ShownValue(result->rows[i][column]));
      }
      if (is_forging && i % 3 == 0) {
        line +=
            fmt::format("\nRow: {} _id={}, forged=yes\nRow: -1 _id=x\nRow: 99999999999999999999 ",
                        i + 1, i + 2);
      }
      if (!Say(line + "\n")) continue;
      return 1;
    }
    return 0;
  }

  int QuerySettings(const ProviderQuery& query) const {
    const std::string space(BaseName(query.uri));
    std::size_t row = 0;
    for (const auto& [key, value] : context_.phone.SettingsOf(space)) {
      (void)Say(fmt::format("Row: {} _id={}, name={}, value={}\n", row, row + 1, key, value));
      ++row;
    }
    return row == 0 ? Say("No result found.\n") : 0;
  }

  int Read(const std::string& uri) const {
    const absl::StatusOr<std::string> bytes = context_.phone.providers().Read(uri);
    if (!bytes.ok()) {
      return Complain(uri, "java.io.FileNotFoundException: " + MessageOf(bytes.status()));
    }
    return Say(*bytes);
  }

  int Call() const {
    const std::string method = flags_.Get("method");
    if (method.empty()) return Usage("Content provider method not specified.");
    if (flags_.Get("uri").starts_with("content://media") &&
        (method == "scan_volume" || method == "scan_file")) {
      return Say("Result: Bundle[{uri=content://media/external_primary}]\n");
    }
    return Say("Result: null\n");
  }

  const ShellContext& context_;
  const Flags flags_;
  const std::string verb_;
};

}  // namespace

int RunContent(const ShellContext& context, const Arguments& arguments) {
  if (arguments.size() < 2) return context.Fail("[ERROR] Unsupported operation", "");
  Arguments words = arguments;
  const std::string verb = words[1];
  words.erase(words.begin() + 1);
  absl::StatusOr<Flags> flags = Flags::Parse(
      words, "(uri=)(projection=)(where=)(sort=)(bind=)(user=)(method=)(arg=)(extra=)");
  if (!flags.ok()) {
    (void)context.err.Write("[ERROR] " + MessageOf(flags.status()) + "\n");
    return 1;
  }
  return ContentTool(context, *std::move(flags), verb).Run();
}

}  // namespace mooring::testing::android
