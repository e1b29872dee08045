// Debian's toybox, which Android's is built from, on the same files: the simulator's programs
// must print the same bytes.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/clock.h"
#include "tests/phones/android/phone.h"
#include "tests/phones/android/run_line.h"
#include "tests/phones/common/temp_dir.h"
#include "tests/phones/common/tool.h"

namespace mooring::testing::android {
namespace {

using ::testing::IsEmpty;

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> Rows(const std::string& text, char end) {
  std::vector<std::string> rows;
  std::size_t at = 0;
  for (std::size_t next = text.find(end); next != std::string::npos;
       at = next + 1, next = text.find(end, at)) {
    rows.push_back(text.substr(at, next - at));
  }
  if (at < text.size()) rows.push_back(text.substr(at));
  std::sort(rows.begin(), rows.end());
  return rows;
}

class GenuineToyboxTest : public ::testing::Test {
 protected:
  // The phone's shared storage once more, on this machine's disk.
  void SetUp() override {
    std::filesystem::create_directory(folder_);
    for (const char* name : {"cat", "find", "head", "ls", "mkdir", "rm", "sha256sum", "stat",
                             "tail", "tar", "wc", "xargs"}) {
      std::filesystem::create_symlink("/usr/bin/toybox", temp_.path() + "/" + name);
    }
    phone_.files().tree().ForEach(
        kSharedStorage, [&](const std::string& path, const FileInfo& info) {
          const std::string own = folder_ + path.substr(kSharedStorage.size());
          if (info.is_directory()) {
            std::filesystem::create_directory(own);
            return;
          }
          std::string bytes(info.content.size_bytes, '\0');
          ASSERT_TRUE(library_.Read(info.content, 0, bytes).ok());
          std::ofstream(own, std::ios::binary) << bytes;
          const timespec time = {.tv_sec = info.modified_unix(),
                                 .tv_nsec = info.modified_ns % 1'000'000'000};
          const timespec times[2] = {time, time};
          utimensat(AT_FDCWD, own.c_str(), times, 0);
        });
  }

  // What toybox does with `line` in the folder; `status` and both outputs.
  LineResult Genuine(const std::string& line, const std::string& input = "") {
    std::ofstream(temp_.path() + "/in", std::ios::binary) << input;
    const ToolResult ran = RunTool(
        {"bash", "-c",
         fmt::format("export PATH={0}:$PATH; cd {0}/folder; (\n{1}\n) <{0}/in >{0}/out 2>{0}/err",
                     temp_.path(), line)},
        {});
    return {ran.exit_code, ReadWhole(temp_.path() + "/out"), ReadWhole(temp_.path() + "/err")};
  }
  LineResult Simulated(const std::string& line, const std::string& input = "") {
    return RunLine(phone_, line, input, std::string(kSharedStorage));
  }
  void ExpectSame(const std::string& line, const std::string& input = "") {
    const LineResult genuine = Genuine(line, input);
    const LineResult simulated = Simulated(line, input);
    EXPECT_EQ(simulated.out, genuine.out) << line;
    EXPECT_EQ(simulated.err, genuine.err) << line;
    EXPECT_EQ(simulated.status, genuine.status) << line;
  }
  // The same rows; toybox finds files in the order of the disk.
  void ExpectSameRows(const std::string& line, char end) {
    const LineResult genuine = Genuine(line);
    const LineResult simulated = Simulated(line);
    EXPECT_EQ(Rows(simulated.out, end), Rows(genuine.out, end)) << line;
    EXPECT_EQ(Rows(simulated.err, '\n'), Rows(genuine.err, '\n')) << line;
    EXPECT_EQ(simulated.status, genuine.status) << line;
    EXPECT_FALSE(genuine.out.empty()) << line;
  }

  SystemClock clock_;
  TempDir temp_;
  const std::string folder_ = temp_.path() + "/folder";
  ContentLibrary library_{"", temp_.path()};
  AndroidPhone phone_{{.android = 12, .content = {.seed = 3}}, library_, clock_};
};

TEST_F(GenuineToyboxTest, FindPrintsTheSameRows) {
  for (const char* line :
       {"find . -type f -printf '%s\\t%T@\\t%P\\0'", "find . -type f -printf '%p %f%% %l\\0'",
        "find . -print0", "find . -type d -print0", "find . -type f,d -print0",
        "find . -type f -newermt @1715000000 -print0", "find Documents -name '*.txt' -print0",
        "find . -iname 'IMG*' -o -name '-*' -print0", "find . -maxdepth 1 -mindepth 1 -print0",
        "find ./ -size +20k -type f -print0", "find . -type f -size -600c -print0",
        "find Documents ! -name '*.txt' -type f -print0", "find . -path '*chat*' -print0",
        "find . -name .thumbnails -prune -o -type f -print0",
        "find . -type f '(' -name '*.jpg' -o -name '*.pdf' ')' -print0", "find . -empty -print0"}) {
    ExpectSameRows(line, '\0');
  }
  ExpectSameRows("find Documents nowhere", '\n');
  ExpectSameRows("find Download -type f -exec sha256sum '{}' '+'", '\n');
  ExpectSameRows("find Download -type f -exec sha256sum '{}' ';'", '\n');
  ExpectSameRows("find . -type f -print0 | xargs -0 sha256sum -b", '\n');
  for (const char* line : {"find . -printf '%y'", "find nowhere", "find . -printf '%T+'"}) {
    const LineResult genuine = Genuine(line);
    const LineResult simulated = Simulated(line);
    EXPECT_EQ(simulated.err, genuine.err) << line;
    EXPECT_EQ(simulated.status, genuine.status) << line;
    EXPECT_NE(genuine.status, 0) << line;
  }
}

TEST_F(GenuineToyboxTest, ListsAndStatsTheSame) {
  for (const char* line :
       {"ls", "ls -1", "ls -A Documents", "ls -a", "ls Documents/work Music DCIM",
        "ls -R Documents", "ls nowhere Documents", "ls -d Documents DCIM", "ls -1 Documents/-rf",
        "stat -c '%s %Y %F %n %B' Documents/*.txt Documents/.hidden Download",
        "stat -c '%s|%n|%X' Documents/-rf nowhere \"Documents/it's \\\"quoted\\\" & <tagged>.txt\"",
        "stat nowhere", "stat -c %y 'Documents/Grüße aus Köln.txt'"}) {
    // Sizes of directories are the file system's own.
    if (std::string_view(line).find("%s %Y") != std::string_view::npos) {
      const std::string cut = std::string(line) + " | head -n 8";
      ExpectSame(cut);
    } else {
      ExpectSame(line);
    }
  }
}

TEST_F(GenuineToyboxTest, HashesAndPiecesAreTheSame) {
  const std::string awkward = "'Documents/new\nline.txt' 'Documents/back\\slash.txt' Documents/-rf";
  for (const std::string& line : {"sha256sum " + awkward,
                                  "sha256sum -b " + awkward,
                                  std::string("sha256sum Documents nowhere"),
                                  "cat " + awkward + " | sha256sum",
                                  std::string("tail -c +100 Documents/.hidden"),
                                  std::string("tail -c +1000000 Documents/.hidden"),
                                  std::string("tail -c 10 Documents/.hidden"),
                                  std::string("tail -c +3"),
                                  std::string("head -c 20 Documents/.hidden"),
                                  std::string("head -n 2"),
                                  std::string("wc -c Documents/.hidden"),
                                  std::string("wc -l"),
                                  std::string("wc"),
                                  std::string("cat nowhere - Documents"),
                                  std::string("tail -n 2"),
                                  std::string("xargs echo"),
                                  std::string("xargs -n 2 echo x"),
                                  std::string("mkdir Documents"),
                                  std::string("mkdir a/b/c"),
                                  std::string("rm nowhere"),
                                  std::string("rm Documents")}) {
    ExpectSame(line, "one two\nthree\nfour  five\nlast");
  }
}

TEST_F(GenuineToyboxTest, TarIsTheSameByteForByte) {
  std::string names;
  phone_.files().tree().ForEach(kSharedStorage, [&](const std::string& path, const FileInfo& info) {
    if (info.kind != FileInfo::Kind::kFile) return;
    if (path.find('\n') != std::string::npos) return;
    names += path.substr(kSharedStorage.size() + 1) + "\n";
  });
  names += "nowhere/to/be/found\n";
  const std::string owner = " --owner u0_a123:10123 --group media_rw:1023 --mode 0660";
  const LineResult genuine = Genuine("tar -c -T -" + owner, names);
  const LineResult simulated = Simulated("tar -c -T -", names);
  EXPECT_GT(genuine.out.size(), 1U << 20);
  EXPECT_TRUE(simulated.out == genuine.out);
  EXPECT_EQ(simulated.err, genuine.err);
  EXPECT_EQ(simulated.status, genuine.status);
  EXPECT_EQ(genuine.status, 1);
}

TEST_F(GenuineToyboxTest, TarOfDirectoriesUnpacksTheSame) {
  const LineResult genuine = Genuine("tar -c Documents DCIM | tar -t");
  const std::string archive = Simulated("tar -c Documents DCIM").out;
  const LineResult listed = Genuine("tar -t", archive);
  EXPECT_EQ(Rows(listed.out, '\n'), Rows(genuine.out, '\n'));
  EXPECT_THAT(listed.err, IsEmpty());

  AndroidPhone other({.android = 12, .content = {.seed = 4, .empty = true}}, library_, clock_);
  const LineResult unpacked =
      RunLine(other, "tar -x", Genuine("tar -c Documents").out, std::string(kSharedStorage));
  EXPECT_EQ(unpacked.status, 0) << unpacked.err;
  EXPECT_EQ(RunLine(other, "find /sdcard/Documents -type f -printf '%s %P\\n'").out,
            RunLine(phone_, "find /sdcard/Documents -type f -printf '%s %P\\n'").out);
}

}  // namespace
}  // namespace mooring::testing::android
