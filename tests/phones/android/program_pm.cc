#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "tests/phones/android/programs.h"
#include "tests/phones/common/content.h"

namespace mooring::testing::android {
namespace {

// The words behind the verb, options taken out.
struct PmWords {
  std::string verb;
  std::vector<std::string> flags;
  std::map<std::string, std::string> values;
  std::vector<std::string> operands;

  bool Has(std::string_view flag) const {
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
  }
};

PmWords Split(const Arguments& arguments) {
  static constexpr std::string_view kTakeValue[] = {
      "--user", "-S", "-i", "--abi", "-p", "--pkg", "--install-location"};
  PmWords words;
  words.verb = arguments.size() > 1 ? arguments[1] : "";
  for (std::size_t i = 2; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const bool takes =
        std::find(std::begin(kTakeValue), std::end(kTakeValue), word) != std::end(kTakeValue);
    if (takes && words.verb != "list" && i + 1 < arguments.size()) {
      words.values[word] = arguments[++i];
    } else if (word == "--user" && i + 1 < arguments.size()) {
      words.values[word] = arguments[++i];
    } else if (word.size() > 1 && word[0] == '-') {
      words.flags.push_back(word);
    } else {
      words.operands.push_back(word);
    }
  }
  return words;
}

class PackageManager {
 public:
  PackageManager(const ShellContext& context, PmWords words)
      : context_(context), words_(std::move(words)) {}

  int Run() {
    const std::string& verb = words_.verb;
    if (verb == "list") return List();
    if (verb == "path") return Path();
    if (verb == "install-create") return CreateSession();
    if (verb == "install-write") return WriteSession();
    if (verb == "install-commit") return Commit(SessionOf(0));
    if (verb == "install-abandon") {
      return context_.phone.packages().Abandon(SessionOf(0)) ? Say("Success\n") : 1;
    }
    if (verb == "install") return Install();
    if (verb == "uninstall") return Uninstall();
    if (verb == "get-max-users") return Say("Maximum supported users: 4\n");
    (void)context_.err.Write("Unknown command: " + verb + "\n");
    return 255;
  }

 private:
  int Say(std::string_view text) const { return context_.out.Write(text) ? 0 : 1; }

  int SessionOf(std::size_t operand) const {
    int session = 0;
    if (operand >= words_.operands.size()) return session;
    const std::string& text = words_.operands[operand];
    std::from_chars(text.data(), text.data() + text.size(), session);
    return session;
  }

  // Without "--user 0" pm wants every user, and the shell may not have the other ones.
  bool MayReach() const {
    const auto user = words_.values.find("--user");
    const bool is_owner =
        user != words_.values.end() && (user->second == "0" || user->second == "current");
    const bool is_alone =
        user == words_.values.end() && !context_.phone.options().content.work_profile;
    if (is_owner || is_alone) return true;
    const std::string who = user == words_.values.end() ? "10" : user->second;
    (void)context_.err.Write(
        "\nException occurred while executing '" + words_.verb +
        "':\n"
        "java.lang.SecurityException: Shell does not have permission to access user " +
        who +
        "\n"
        "\tat com.android.server.am.ActivityManagerService.handleIncomingUser(Unknown Source)\n");
    return false;
  }

  int List() const {
    const std::string what = words_.operands.empty() ? "" : words_.operands[0];
    if (what == "users") {
      std::string text = "Users:\n\tUserInfo{0:Owner:c13} running\n";
      if (context_.phone.options().content.work_profile) {
        text += "\tUserInfo{10:Work profile:1030} running\n";
      }
      return Say(text);
    }
    if (what == "features") return Say("feature:android.hardware.telephony\n");
    if (what != "packages" && what != "package") {
      (void)context_.err.Write("Error: unknown list type '" + what + "'\n");
      return 255;
    }
    if (!MayReach()) return 255;
    std::string text;
    for (const Package& package : context_.phone.packages().List()) {
      if (words_.Has("-3") && package.is_system) continue;
      if (words_.Has("-s") && !package.is_system) continue;
      if (words_.operands.size() > 1 &&
          package.name.find(words_.operands[1]) == std::string::npos) {
        continue;
      }
      text += "package:";
      if (words_.Has("-f")) text += package.directory + "/base.apk=";
      text += package.name;
      if (words_.Has("--show-versioncode")) {
        text += fmt::format(" versionCode:{}", package.version_code);
      }
      if (words_.Has("-i")) {
        text += "  installer=" + (package.installer.empty() ? "null" : package.installer);
      }
      text += "\n";
    }
    if (context_.phone.IsHostile("forged-rows")) {
      text += "package:/data/app/../../sdcard/x/base.apk=com.evil/../..\npackage:\npackage:=\nx\n";
    }
    return Say(text);
  }

  int Path() const {
    if (!MayReach()) return 255;
    const std::optional<Package> package =
        context_.phone.packages().Find(words_.operands.empty() ? "" : words_.operands[0]);
    if (!package) return 1;
    std::string text;
    for (const Apk& apk : package->apks) {
      text += fmt::format("package:{}/{}.apk\n", package->directory, apk.split);
    }
    return Say(text);
  }

  std::string Installer() const {
    const auto found = words_.values.find("-i");
    return found == words_.values.end() ? "" : found->second;
  }

  int CreateSession() const {
    if (!MayReach()) return 255;
    const int session = context_.phone.packages().OpenSession(Installer());
    return Say(fmt::format("Success: created install session [{}]\n", session));
  }

  // Takes `size` bytes of standard input, or all; false if there are fewer.
  bool TakeInput(std::optional<std::uint64_t> size, IncomingContent& content) const {
    std::vector<char> buffer(64 << 10);
    while (!size || content.size_bytes() < *size) {
      const std::uint64_t left = size ? *size - content.size_bytes() : buffer.size();
      const std::size_t got = context_.in.Read(std::span(buffer).first(
          static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()))));
      if (got == 0) return !size;
      if (!content.Append({buffer.data(), got}).ok()) return false;
    }
    return true;
  }

  std::optional<std::uint64_t> SizeWanted() const {
    const auto found = words_.values.find("-S");
    std::uint64_t size = 0;
    if (found == words_.values.end()) return std::nullopt;
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), size);
    return size;
  }

  int Stage(int session, const std::string& split, const std::string& path) {
    IncomingContent content(context_.phone.library());
    if (path == "-" || path.empty()) {
      if (!TakeInput(SizeWanted(), content)) {
        (void)context_.err.Write("Error: java.io.EOFException: Unexpected end of input\n");
        return 1;
      }
    } else if (const int error = TakeFile(path, content); error != 0) {
      (void)context_.err.Write("Error: failed to write; " + path + ": " + ErrorText(error) + "\n");
      return 1;
    }
    const absl::StatusOr<ContentRef> ref = content.Finish();
    if (!ref.ok() ||
        !context_.phone.packages().AddToSession(session, split, *ref, content.head())) {
      (void)context_.err.Write("Error: no such session\n");
      return 1;
    }
    return Say(fmt::format("Success: streamed {} bytes\n", content.size_bytes()));
  }

  int TakeFile(const std::string& path, IncomingContent& content) const {
    const OrErrno<std::unique_ptr<FileReader>> file =
        context_.phone.files().Open(context_.Absolute(path));
    if (!file.ok()) return file.error;
    std::vector<char> buffer(64 << 10);
    while (true) {
      const OrErrno<std::size_t> got = file.value->Read(buffer);
      if (!got.ok()) return got.error;
      if (got.value == 0) return 0;
      if (!content.Append({buffer.data(), got.value}).ok()) return ENOSPC;
    }
  }

  int WriteSession() {
    if (words_.operands.size() < 2) {
      (void)context_.err.Write("Error: need a session and a name\n");
      return 1;
    }
    return Stage(SessionOf(0), words_.operands[1],
                 words_.operands.size() > 2 ? words_.operands[2] : "-");
  }

  int Commit(int session) const {
    const std::string result = context_.phone.packages().Commit(session);
    (void)Say(result + "\n");
    return result == "Success" ? 0 : 1;
  }

  int Install() {
    if (!MayReach()) return 255;
    const int session = context_.phone.packages().OpenSession(Installer());
    IncomingContent content(context_.phone.library());
    const std::string path = words_.operands.empty() ? "" : words_.operands[0];
    const bool came = path.empty() || path == "-" ? TakeInput(SizeWanted(), content)
                                                  : TakeFile(path, content) == 0;
    const absl::StatusOr<ContentRef> ref = content.Finish();
    if (!came || !ref.ok()) {
      (void)Say("Failure [INSTALL_FAILED_INVALID_APK]\n");
      return 1;
    }
    (void)context_.phone.packages().AddToSession(session, "base.apk", *ref, content.head());
    return Commit(session);
  }

  int Uninstall() const {
    if (!MayReach()) return 255;
    const bool removed =
        context_.phone.packages().Uninstall(words_.operands.empty() ? "" : words_.operands[0]);
    (void)Say(removed ? "Success\n" : "Failure [DELETE_FAILED_INTERNAL_ERROR]\n");
    return removed ? 0 : 1;
  }

  const ShellContext& context_;
  const PmWords words_;
};

}  // namespace

int RunPm(const ShellContext& context, const Arguments& arguments) {
  return PackageManager(context, Split(arguments)).Run();
}

}  // namespace mooring::testing::android
