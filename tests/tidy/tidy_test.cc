// The house rules that neither the compiler nor clang-tidy knows: layers, third-party
// libraries in their folders, banned names, file lengths, a README in each room.

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include <gtest/gtest.h>

namespace mooring::testing {
namespace {

namespace fs = std::filesystem;

struct Source {
  std::string path;  // From the repository root.
  std::vector<std::string> lines;
};

bool HasSuffix(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() &&
         text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

bool HasPrefix(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0;
}

const std::vector<Source>& Sources() {
  static const std::vector<Source> sources = [] {
    std::vector<Source> found;
    const fs::path root = MOORING_SOURCE_DIR;
    std::error_code error;
    for (const char* room : {"proto", "storage", "server", "agent", "admin", "tests"}) {
      fs::recursive_directory_iterator it(root / room, error);
      for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
        const std::string name = it->path().filename().string();
        if (name == "node_modules") it.disable_recursion_pending();
        if (!HasSuffix(name, ".h") && !HasSuffix(name, ".cc")) continue;
        Source source{.path = fs::relative(it->path(), root, error).string(), .lines = {}};
        std::ifstream file(it->path());
        for (std::string line; std::getline(file, line);) source.lines.push_back(line);
        found.push_back(std::move(source));
      }
    }
    return found;
  }();
  return sources;
}

// The include of `line`, or empty. `angled` tells <> from "".
std::string IncludeOf(const std::string& line, bool& angled) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*([<"])([^>"]+)[>"])re");
  std::smatch match;
  if (!std::regex_search(line, match, kInclude)) return "";
  angled = match[1] == "<";
  return match[2];
}

TEST(Tidy, FindsTheSources) {
  EXPECT_GT(Sources().size(), 50u);
}

TEST(Tidy, FoldersIncludeOnlyWhatLiesBelowThem) {
  // Folder -> folders of ours that it may include. The longest matching prefix rules.
  const std::map<std::string, std::vector<std::string>> kMayInclude = {
      {"proto/", {"mooring/", "proto/", "storage/base/"}},
      {"storage/base/", {"storage/base/"}},
      {"storage/chunk/", {"storage/base/", "storage/chunk/"}},
      {"storage/seal/", {"storage/base/", "storage/seal/"}},
      {"storage/pack/", {"storage/base/", "storage/seal/", "storage/pack/"}},
      {"storage/manifest/",
       {"mooring/format/", "storage/base/", "storage/seal/", "storage/manifest/"}},
      {"storage/objects/", {"storage/base/", "storage/objects/"}},
      {"storage/catalog/", {"mooring/", "storage/base/", "storage/catalog/"}},
      {"storage/repository/",
       {"mooring/", "storage/base/", "storage/chunk/", "storage/seal/", "storage/pack/",
        "storage/manifest/", "storage/objects/", "storage/catalog/", "storage/repository/"}},
      {"storage/retention/",
       {"mooring/", "storage/base/", "storage/catalog/", "storage/repository/",
        "storage/retention/"}},
      {"storage/collection/",
       {"mooring/", "storage/base/", "storage/seal/", "storage/pack/", "storage/objects/",
        "storage/catalog/", "storage/repository/", "storage/collection/"}},
      {"storage/care/",
       {"mooring/", "storage/base/", "storage/seal/", "storage/pack/", "storage/manifest/",
        "storage/objects/", "storage/catalog/", "storage/repository/", "storage/collection/",
        "storage/care/"}},
      {"server/", {"mooring/", "proto/", "storage/", "server/"}},
      {"agent/",
       {"mooring/", "proto/", "storage/base/", "storage/chunk/", "storage/seal/",
        "storage/manifest/", "agent/"}},
      {"admin/",
       {"mooring/", "proto/", "storage/base/", "storage/seal/", "storage/manifest/", "admin/"}},
  };
  for (const Source& source : Sources()) {
    const std::vector<std::string>* allowed = nullptr;
    for (const auto& [folder, rule] : kMayInclude) {
      if (HasPrefix(source.path, folder)) allowed = &rule;
    }
    if (allowed == nullptr) continue;  // Tests may include everything.
    for (const std::string& line : source.lines) {
      bool angled = false;
      const std::string include = IncludeOf(line, angled);
      if (include.empty() || angled) continue;
      bool ok = false;
      for (const std::string& prefix : *allowed) ok = ok || HasPrefix(include, prefix);
      EXPECT_TRUE(ok) << source.path << " may not include " << include;
    }
  }
}

TEST(Tidy, ThirdPartyLibrariesStayInTheirFolders) {
  const std::map<std::string, std::vector<std::string>> kFolders = {
      {"pqxx/", {"storage/catalog/"}},
      {"libpq-fe.h", {"storage/catalog/"}},
      {"roaring/", {"storage/repository/", "storage/retention/"}},
      {"zstd.h", {"storage/seal/"}},
      {"curl/", {"storage/objects/"}},
      {"expat.h", {"storage/objects/"}},
      {"libimobiledevice/", {"agent/ios/"}},
      {"plist/", {"agent/ios/"}},
      {"usbmuxd.h", {"agent/ios/"}},
      {"sqlite3.h", {"agent/ios/"}},
      {"prometheus/", {"server/"}},
      {"yaml-cpp/", {"proto/"}},
      {"CLI/", {"server/", "agent/", "admin/"}},
      {"grpcpp/", {"proto/", "server/", "agent/", "admin/"}},
  };
  for (const Source& source : Sources()) {
    if (HasPrefix(source.path, "tests/")) continue;
    for (const std::string& line : source.lines) {
      bool angled = false;
      const std::string include = IncludeOf(line, angled);
      for (const auto& [library, folders] : kFolders) {
        if (!HasPrefix(include, library)) continue;
        bool ok = false;
        for (const std::string& folder : folders) ok = ok || HasPrefix(source.path, folder);
        EXPECT_TRUE(ok) << source.path << " may not include <" << include << ">";
      }
    }
  }
}

TEST(Tidy, BannedNamesHaveAReplacement) {
  struct Ban {
    std::regex pattern;
    std::string instead;
    std::vector<std::string> except;
  };
  const std::vector<Ban> kBans = {
      {std::regex(R"(\babsl::Now\(|system_clock::now)"),
       "Clock",
       {"storage/base/clock",
        // gRPC's deadlines are points of this clock.
        "agent/link/channel.cc"}},
      {std::regex(R"(std::random_device|\brand\()"), "Random", {"storage/base/random"}},
      {std::regex(R"(std::thread\b(?!::))"), "std::jthread", {}},
      {std::regex(R"(\.detach\(\))"), "an owner that joins", {}},
      {std::regex(R"(std::mutex|absl::Mutex)"), "mooring::Mutex", {"storage/base/mutex.h"}},
      {std::regex(R"(\busing namespace\b)"), "a name", {}},
      {std::regex(R"(\bstrerror\()"), "absl::ErrnoToStatus", {}},
      {std::regex(R"(\bsystem\()"), "fork and exec", {}},
      {std::regex(R"(std::source_location|std::views|std::format)"), "fmt and algorithms", {}},
      {std::regex(R"(\b(FIXME|XXX|HACK|TODO)\b)"), "an issue", {"tests/tidy"}},
  };
  for (const Source& source : Sources()) {
    if (HasPrefix(source.path, "tests/")) continue;
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      // Comments may speak of what code may not do.
      const std::string code = source.lines[i].substr(0, source.lines[i].find("//"));
      for (const Ban& ban : kBans) {
        bool excepted = false;
        for (const std::string& e : ban.except) excepted = excepted || HasPrefix(source.path, e);
        EXPECT_TRUE(excepted || !std::regex_search(code, ban.pattern))
            << source.path << ":" << i + 1 << ": use " << ban.instead;
      }
    }
  }
}

TEST(Tidy, HeadersHavePragmaOnceAndSayWhatTheyAreFor) {
  for (const Source& source : Sources()) {
    if (!HasSuffix(source.path, ".h") || source.lines.empty()) continue;
    EXPECT_TRUE(HasPrefix(source.lines[0], "//")) << source.path << " begins without a comment";
    bool once = false;
    for (const std::string& line : source.lines) once = once || line == "#pragma once";
    EXPECT_TRUE(once) << source.path << " lacks #pragma once";
  }
}

TEST(Tidy, FilesStayShort) {
  constexpr std::size_t kLinesMax = 700;
  for (const Source& source : Sources()) {
    EXPECT_LE(source.lines.size(), kLinesMax) << source.path << ": split it by noun";
  }
}

TEST(Tidy, NothingReadsBeyondTheRepository) {
  for (const Source& source : Sources()) {
    for (const std::string& line : source.lines) {
      EXPECT_EQ(line.find(std::string("../") + "shared"), std::string::npos) << source.path;
    }
  }
}

TEST(Tidy, EveryRoomHasAReadme) {
  for (const char* room : {"proto", "storage", "server", "agent", "admin", "deploy", "tests"}) {
    std::error_code error;
    EXPECT_TRUE(fs::exists(fs::path(MOORING_SOURCE_DIR) / room / "README.md", error)) << room;
  }
}

TEST(Tidy, EverySourceIsBuilt) {
  std::string lists;
  std::error_code error;
  fs::recursive_directory_iterator it(MOORING_SOURCE_DIR, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name == "build" || name == "node_modules" || name == ".git") it.disable_recursion_pending();
    if (name != "CMakeLists.txt") continue;
    std::ifstream file(it->path());
    std::stringstream text;
    text << file.rdbuf();
    lists += text.str();
  }
  for (const Source& source : Sources()) {
    if (!HasSuffix(source.path, ".cc")) continue;
    const std::string name = fs::path(source.path).filename().string();
    EXPECT_NE(lists.find(name), std::string::npos) << source.path << " is in no CMakeLists.txt";
  }
}

}  // namespace
}  // namespace mooring::testing
