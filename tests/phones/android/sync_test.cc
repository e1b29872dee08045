// sync: byte for byte, and the attacks that a phone makes through it and through its shell.

#include <sys/stat.h>

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/clock.h"
#include "tests/phones/android/control.h"
#include "tests/phones/android/packet.h"
#include "tests/phones/android/phone.h"
#include "tests/phones/android/services.h"
#include "tests/phones/common/temp_dir.h"

namespace mooring::testing::android {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr std::size_t kAnswerMax = 16 << 20;

// A host that says what it was told to say, and hangs up after 16 MiB of answer.
class ScriptedStream final : public ServiceStream {
 public:
  explicit ScriptedStream(std::string says) : says_(std::move(says)) {}
  std::optional<std::string> Read() override {
    if (says_.empty()) return std::nullopt;
    return std::exchange(says_, {});
  }
  bool Write(std::string_view bytes) override {
    answer_ += bytes;
    return answer_.size() < kAnswerMax;
  }
  const std::string& answer() const { return answer_; }

 private:
  std::string says_;
  std::string answer_;
};

std::string Request(std::string_view id, std::string_view path) {
  std::string request(id);
  AppendLittle32(request, static_cast<std::uint32_t>(path.size()));
  return request.append(path);
}

std::uint64_t Little64(std::string_view bytes) {
  return Little32(bytes) | static_cast<std::uint64_t>(Little32(bytes.substr(4))) << 32;
}

class SyncTest : public ::testing::Test {
 protected:
  std::string Serve(const std::string& service, std::string says) {
    ScriptedStream stream(std::move(says));
    RunService(phone_, service, stream);
    return stream.answer();
  }
  std::string Sync(std::string says) { return Serve("sync:", std::move(says)); }

  SystemClock clock_;
  TempDir temp_;
  ContentLibrary library_{"", temp_.path()};
  AndroidPhone phone_{
      {.android = 14, .content = {.files = 40, .bytes = 200'000, .big_file = 6ULL << 30}},
      library_,
      clock_};
};

TEST_F(SyncTest, StatsInBothVersions) {
  const std::string path = "/sdcard/Movies/big movie.mp4";
  const FileInfo info = phone_.files().Stat(path, true).value;
  const std::string one = Sync(Request("STAT", path));
  ASSERT_EQ(one.size(), 16U);
  EXPECT_EQ(one.substr(0, 4), "STAT");
  EXPECT_EQ(Little32(one.substr(4)), info.mode);
  EXPECT_EQ(Little32(one.substr(8)), 0x80000000U);  // 6 GiB, cut to 32 bits.
  EXPECT_EQ(Little32(one.substr(12)), info.modified_unix());
  const std::string two = Sync(Request("LST2", path));
  ASSERT_EQ(two.size(), 72U);
  EXPECT_EQ(Little64(two.substr(40)), 6ULL << 30);
  EXPECT_EQ(Little64(two.substr(56)), static_cast<std::uint64_t>(info.modified_unix()));

  EXPECT_EQ(Sync(Request("STAT", "/sdcard/none")), "STAT" + std::string(12, '\0'));
  EXPECT_EQ(Little32(Sync(Request("STA2", "/sdcard/none")).substr(4)), ENOENT);
  EXPECT_EQ(Little32(Sync(Request("LST2", "/sdcard")).substr(24)) & S_IFMT, S_IFLNK);
  EXPECT_EQ(Little32(Sync(Request("STA2", "/sdcard")).substr(24)) & S_IFMT, S_IFDIR);
  EXPECT_THAT(phone_.violations(), IsEmpty());
}

TEST_F(SyncTest, ListsWithDotsAndHidesWhatIsClosed) {
  const std::string names = Sync(Request("LIST", "/sdcard/Documents"));
  EXPECT_THAT(names, StartsWith("DENT"));
  EXPECT_THAT(names, HasSubstr("it's \"quoted\" & <tagged>.txt"));
  EXPECT_EQ(names.substr(names.size() - 20), "DONE" + std::string(16, '\0'));
  EXPECT_EQ(Sync(Request("LIST", "/sdcard/Android/data")), "DONE" + std::string(16, '\0'));
  const std::string closed = Sync(Request("LIS2", "/sdcard/Android/data"));
  ASSERT_EQ(closed.size(), 76U);
  EXPECT_EQ(Little32(closed.substr(4)), EACCES);
}

TEST_F(SyncTest, TakesFilesAndSaysWhyNot) {
  std::string send = Request("SEND", "/sdcard/new/a file,33188") + Request("DATA", "hello ") +
                     Request("DATA", "world") + "DONE";
  AppendLittle32(send, 1'700'000'001);
  EXPECT_EQ(Sync(send), std::string("OKAY\0\0\0\0", 8));
  const std::string back = Sync(Request("RECV", "/sdcard/new/a file") + Request("QUIT", ""));
  EXPECT_EQ(back, Request("DATA", "hello world") + std::string("DONE\0\0\0\0", 8));
  EXPECT_EQ(phone_.files().Stat("/sdcard/new/a file", true).value.modified_unix(), 1'700'000'001);

  std::string refused = Request("SEND", "/system/x,33188") + Request("DATA", "hello") + "DONE";
  AppendLittle32(refused, 1);
  const std::string answer = Sync(refused + Request("STAT", "/none"));
  EXPECT_THAT(answer, StartsWith("FAIL"));
  EXPECT_THAT(answer, HasSubstr("Read-only file system"));
  EXPECT_THAT(answer, HasSubstr("STAT"));  // The conversation goes on.
  EXPECT_THAT(Sync(Request("RECV", "/sdcard/none")), HasSubstr("No such file or directory"));
  EXPECT_THAT(phone_.violations(), IsEmpty());
}

TEST_F(SyncTest, NoticesWhatTheHostDoesWrong) {
  Sync(Request("STAT", std::string(1025, 'a')));
  EXPECT_THAT(phone_.violations(), Contains(HasSubstr("a path of 1025 bytes")));
  Sync(Request("WHAT", "x"));
  EXPECT_THAT(phone_.violations(), Contains(HasSubstr("unknown request")));
  Sync(Request("SEND", "/sdcard/x,33188") + Request("DATA", std::string(65'537, 'x')));
  EXPECT_THAT(phone_.violations(), Contains(HasSubstr("over 64 KiB")));
  Serve("shell,v2,raw:" + std::string(130 << 10, 'x'), "");
  EXPECT_THAT(phone_.violations(), Contains(HasSubstr("a command line of")));
}

TEST_F(SyncTest, EveryAttackIsMade) {
  const std::string find =
      "shell,v2,raw:find /sdcard/ -printf '%M %s %T@ %P\\0'; sha256sum "
      "/sdcard/Documents/-rf; tar -c /sdcard/Documents; getprop";
  const auto all = [&] {
    std::string answers = Serve(find, "");
    for (const std::string& request :
         {Request("LIST", "/sdcard/Documents"), Request("LIS2", "/sdcard/Documents"),
          Request("RECV", "/sdcard/Documents/-rf")}) {
      answers += Sync(request);
    }
    return answers;
  };
  const std::string honest = all();
  EXPECT_EQ(all(), honest);
  std::set<std::string> seen = {honest};
  for (const std::string& name : HostileNames()) {
    if (name == "oversize-packet") continue;  // Below the services.
    phone_.set_hostile(name);
    EXPECT_TRUE(seen.insert(all()).second) << name;
  }
}

}  // namespace
}  // namespace mooring::testing::android
