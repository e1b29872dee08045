// The state machine of MobileBackup2 against a scripted phone: each message it
// may send, and each that it must not get away with.

#include "agent/ios/mb2_session.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/device/cause.h"
#include "tests/support/fake_snapshot.h"
#include "tests/support/plist_bombs.h"
#include "tests/support/scripted_phone.h"

namespace mooring::agent {
namespace {

using mooring::testing::FakeSnapshot;
using mooring::testing::ScriptedPhone;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kUdid = "00008110-000A1B2C3D4E5F60";
const std::string kId = "3d0d7e5fb2ce288813306e4d4636395e047a3d28";
const std::string kPayload = kUdid + "/Snapshot/3d/" + kId;
const std::string kStored = "full/Snapshot/3d/" + kId;
constexpr char kData = 0x0C;
constexpr char kEnd = 0x00;

class RecordingListener final : public Mb2Listener {
 public:
  absl::Status OnMessage() override {
    ++messages;
    return absl::OkStatus();
  }
  void OnPercent(int value) override { percent = value; }
  void OnMoved(std::uint64_t moved_files, std::uint64_t moved_bytes) override {
    files += moved_files;
    bytes += moved_bytes;
  }
  int messages = 0;
  int percent = -1;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

Plist Verb(const char* name) {
  Plist message = Plist::Array();
  message.Add(Plist::String(name));
  return message;
}

Plist Paths(const std::vector<std::string>& paths) {
  Plist list = Plist::Array();
  for (const std::string& path : paths) list.Add(Plist::String(path));
  return list;
}

Plist Response(std::int64_t code) {
  Plist body = Plist::Dict();
  body.Set("MessageName", Plist::String("Response"))
      .Set("ErrorCode", Plist::Integer(static_cast<std::uint64_t>(code)))
      .Set("ErrorDescription", Plist::String("words of the phone"));
  Plist message = Verb("DLMessageProcessMessage");
  message.Add(std::move(body));
  return message;
}

class Mb2SessionTest : public ::testing::Test {
 protected:
  Mb2SessionTest() {
    Plist offer = Verb("DLMessageVersionExchange");
    offer.Add(Plist::Integer(400)).Add(Plist::Integer(0));
    phone_.Message(offer).Message(Verb("DLMessageDeviceReady")).Message(Response(0));
  }

  absl::StatusOr<Mb2Response> Run() {
    Mb2Session session(phone_, kUdid, files_, listener_);
    const absl::Status opened = session.Open({});
    if (!opened.ok()) return opened;
    phone_.ClearWritten();
    Plist request = Plist::Dict();
    request.Set("MessageName", Plist::String("Backup"));
    absl::StatusOr<Mb2Response> response = session.Run({}, request);
    EXPECT_EQ(session.state(),
              response.ok() ? Mb2Session::State::kIdle : Mb2Session::State::kBroken);
    return response;
  }
  // Runs the script to its response and returns the host's messages after the request.
  std::vector<Plist> RunToAnswers() {
    phone_.Message(Response(0));
    const auto response = Run();
    EXPECT_TRUE(response.ok()) << response.status();
    EXPECT_TRUE(phone_.at_end());
    ScriptedPhone host(phone_.written());
    PlistChannel channel(host, kDeviceLinkLimits);
    std::vector<Plist> messages;
    while (!host.at_end()) {
      auto message = channel.Receive({});
      EXPECT_TRUE(message.ok()) << message.status();
      if (!message.ok()) break;
      messages.push_back(*std::move(message));
    }
    if (!messages.empty()) messages.erase(messages.begin());
    return messages;
  }
  static std::int64_t CodeOf(const Plist& answer) {
    EXPECT_EQ(answer.view().At(0).text(), "DLMessageStatusResponse");
    return static_cast<std::int64_t>(answer.view().At(1).integer().value_or(12345));
  }
  void ExpectProtocolError() {
    const auto before = snapshot_.files;
    const auto response = Run();
    EXPECT_EQ(CauseOf(response.status()), v1::CAUSE_PROTOCOL_ERROR) << response.status();
    EXPECT_EQ(snapshot_.files, before);
  }
  Plist Upload() {
    Plist message = Verb("DLMessageUploadFiles");
    message.Add(Plist::Dict()).Add(Plist::Real(42.5)).Add(Plist::Integer(1));
    return message;
  }
  void Put(const std::string& path, std::string_view text) {
    snapshot_.files[path] = ToBytes(text);
  }

  ScriptedPhone phone_;
  FakeSnapshot snapshot_;
  ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  BackupFiles files_{snapshot_, clock_, 1'000'000};
  RecordingListener listener_;
};

TEST_F(Mb2SessionTest, ResponseCarriesThePhonesCode) {
  phone_.Message(Response(208));
  const auto response = Run();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->error_code, 208);
  EXPECT_EQ(response->description, "words of the phone");
}

TEST_F(Mb2SessionTest, UploadsAreStoredAndBrokenFilesLeftOut) {
  const std::string other = kUdid + "/Snapshot/00/" + std::string(40, '0');
  phone_.Message(Upload());
  phone_.Text("/var/a").Text(kPayload).Block(kData, "hello ").Block(kData, "world").Block(kEnd, "");
  phone_.Text("/var/b").Text(other).Block(kData, "half").Block(0x06, "Input/output error");
  phone_.Text("/var/c").Text(kUdid + "/Status.plist").Block(kData, "x").Block(0x0B, "");
  phone_.Text("/var/d").Text(kUdid + "/Snapshot/backup_manifest.db").Block(0x0B, "no such file");
  phone_.Text("/var/e").Text(kUdid + "/Manifest.db").Block(kEnd, "");
  phone_.Length(0);
  const auto answers = RunToAnswers();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(CodeOf(answers[0]), 0);
  EXPECT_EQ(AsText(snapshot_.files[kStored]), "hello world");
  EXPECT_EQ(AsText(snapshot_.files["full/Status.plist"]), "x");
  EXPECT_TRUE(snapshot_.files["full/Manifest.db"].empty());
  EXPECT_EQ(snapshot_.files.size(), 3U);
  EXPECT_EQ(listener_.percent, 42);
  EXPECT_EQ(listener_.files, 3U);
}

TEST_F(Mb2SessionTest, DownloadsComeInSmallFramesAndMissingFilesInTheStatus) {
  Put("full/Manifest.db", std::string(40'000, 'm'));
  Plist message = Verb("DLMessageDownloadFiles");
  message.Add(Paths({kUdid + "/Manifest.db", kUdid + "/Status.plist", kUdid + "/strange"}));
  phone_.Message(message).Message(Response(0));
  ASSERT_TRUE(Run().ok());

  ScriptedPhone wanted;
  wanted.Text(kUdid + "/Manifest.db")
      .Block(kData, std::string(32 << 10, 'm'))
      .Block(kData, std::string(40'000 - (32 << 10), 'm'))
      .Block(kEnd, "");
  for (const char* name : {"/Status.plist", "/strange"}) {
    wanted.Text(kUdid + name).Block(0x06, "No such file or directory");
  }
  wanted.Length(0);
  // Behind the request, up to the status.
  const std::size_t at = phone_.written().find(wanted.script());
  ASSERT_NE(at, std::string::npos);
  ScriptedPhone rest(phone_.written().substr(at + wanted.script().size()));
  PlistChannel status(rest, kDeviceLinkLimits);
  const auto answer = status.Receive({});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(CodeOf(*answer), -13);
  EXPECT_EQ(answer->view().At(3).size(), 2U);
}

TEST_F(Mb2SessionTest, ListingsGiveNamesTypesAndSizes) {
  Put("full/Info.plist", "12345");
  Put(kStored, "x");
  Plist list = Verb("DLContentsOfDirectory");
  list.Add(Plist::String(kUdid));
  Plist absent = Verb("DLContentsOfDirectory");
  absent.Add(Plist::String(kUdid + "/ff"));
  phone_.Message(list).Message(absent);
  const auto answers = RunToAnswers();
  ASSERT_EQ(answers.size(), 2U);
  const PlistView entries = answers[0].view().At(3);
  EXPECT_EQ(entries.Get("Info.plist").Text("DLFileType"), "DLFileTypeRegular");
  EXPECT_EQ(entries.Get("Info.plist").Get("DLFileSize").integer(), 5U);
  EXPECT_EQ(entries.Get("Snapshot").Text("DLFileType"), "DLFileTypeDirectory");
  EXPECT_EQ(CodeOf(answers[1]), 0);
  EXPECT_EQ(answers[1].view().At(3).size(), 0U);
}

TEST_F(Mb2SessionTest, DirectoriesMovesRemovesAndCopies) {
  Put(kStored, "new");
  Put("full/3d/" + kId, "old");
  Put("full/Snapshot/Manifest.db", "db");
  Plist make = Verb("DLMessageCreateDirectory");
  make.Add(Plist::String(kUdid + "/Snapshot/00"));
  Plist map = Plist::Dict();
  map.Set(kPayload.c_str(), Plist::String(kUdid + "/3d/" + kId));
  Plist move = Verb("DLMessageMoveItems");
  move.Add(std::move(map));
  Plist missing = Plist::Dict();
  missing.Set((kUdid + "/00").c_str(), Plist::String(kUdid + "/01"));
  Plist move_missing = Verb("DLMessageMoveFiles");
  move_missing.Add(std::move(missing));
  Plist copy = Verb("DLMessageCopyItem");
  copy.Add(Plist::String(kUdid + "/Snapshot/Manifest.db"))
      .Add(Plist::String(kUdid + "/Manifest.db"));
  Plist remove = Verb("DLMessageRemoveItems");
  remove.Add(Paths({kUdid + "/Snapshot", kUdid + "/ff/" + kId, kUdid + "/unknown"}));
  phone_.Message(make).Message(move).Message(move_missing).Message(copy).Message(remove);
  const auto answers = RunToAnswers();
  ASSERT_EQ(answers.size(), 5U);
  EXPECT_EQ(CodeOf(answers[0]), 0);
  EXPECT_EQ(CodeOf(answers[1]), 0);
  EXPECT_EQ(CodeOf(answers[2]), -6);
  EXPECT_EQ(CodeOf(answers[3]), 0);
  EXPECT_EQ(CodeOf(answers[4]), 0);
  EXPECT_EQ(AsText(snapshot_.files["full/3d/" + kId]), "new");
  EXPECT_EQ(AsText(snapshot_.files["full/Manifest.db"]), "db");
  EXPECT_EQ(snapshot_.files.size(), 2U);
  EXPECT_FALSE(snapshot_.IsDirectory("full/Snapshot"));
}

TEST_F(Mb2SessionTest, SpacePurgeAndUnknownVerbsAreAnswered) {
  phone_.Message(Verb("DLMessageGetFreeDiskSpace"))
      .Message(Verb("DLMessagePurgeDiskSpace"))
      .Message(Verb("DLMessageFormatDisk"));
  const auto answers = RunToAnswers();
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(answers[0].view().At(3).integer(), 1'000'000U);
  EXPECT_EQ(CodeOf(answers[1]), -1);
  EXPECT_NE(answers[1].view().At(2).text(), "");
  EXPECT_EQ(CodeOf(answers[2]), -1);
}

TEST_F(Mb2SessionTest, DisconnectEndsTheConversation) {
  phone_.Message(Verb("DLMessageDisconnect"));
  EXPECT_EQ(CauseOf(Run().status()), v1::CAUSE_PHONE_ERROR);
}

TEST_F(Mb2SessionTest, MoreThanTheQuotaIsCutOff) {
  phone_.Message(Upload()).Text("/x").Text(kPayload);
  phone_.Block(kData, std::string(1'000'001, 'x')).Block(kEnd, "").Length(0).Message(Response(0));
  EXPECT_EQ(CauseOf(Run().status()), v1::CAUSE_SERVER_FULL);
  EXPECT_THAT(snapshot_.files, IsEmpty());
}

TEST_F(Mb2SessionTest, TheQuotaIsOfTheConversationNotOfABatch) {
  for (int batch = 0; batch < 3; ++batch) {
    phone_.Message(Upload()).Text("/x").Text(kPayload);
    phone_.Block(kData, std::string(400'000, 'x')).Block(kEnd, "").Length(0);
  }
  phone_.Message(Response(0));
  EXPECT_EQ(CauseOf(Run().status()), v1::CAUSE_SERVER_FULL);
}

TEST_F(Mb2SessionTest, UploadPathsOutsideAreRefused) {
  for (const std::string& path :
       {kUdid + "/../../etc/passwd", std::string("/etc/passwd"),
        "00008110-00AAAAAAAAAAAAAA/3d/" + kId, kUdid + "/3d/" + std::string(20, '0') + '\0' + "x",
        kUdid, kUdid + "/evil"}) {
    SCOPED_TRACE(path);
    phone_ = ScriptedPhone();
    Plist offer = Verb("DLMessageVersionExchange");
    offer.Add(Plist::Integer(300));
    phone_.Message(offer).Message(Verb("DLMessageDeviceReady")).Message(Response(0));
    snapshot_.directories = {"full"};
    phone_.Message(Upload()).Text("/x").Text(path).Block(kData, "x").Block(kEnd, "").Length(0);
    phone_.Message(Response(0));
    ExpectProtocolError();
  }
}

TEST_F(Mb2SessionTest, HostPathOf4GiBIsRefused) {
  phone_.Message(Upload()).Text("/x").Length(0xFFFFFFFF).Raw("abc");
  ExpectProtocolError();
}

TEST_F(Mb2SessionTest, DevicePathOf4GiBIsRefused) {
  phone_.Message(Upload()).Length(0xFFFFFFFF).Raw("abc");
  ExpectProtocolError();
}

TEST_F(Mb2SessionTest, BlockOfLengthZeroIsRefused) {
  phone_.Message(Upload()).Text("/x").Text(kPayload).Length(0).Raw(std::string(64, '\0'));
  ExpectProtocolError();
}

TEST_F(Mb2SessionTest, FileWithoutAPathIsRefused) {
  phone_.Message(Upload()).Text("/x").Length(0).Raw(std::string(64, '\0'));
  ExpectProtocolError();
}

TEST_F(Mb2SessionTest, UnknownBlockCodeIsRefused) {
  phone_.Message(Upload()).Text("/x").Text(kPayload).Block(0x42, "x");
  ExpectProtocolError();
}

TEST_F(Mb2SessionTest, EmptyBlocksWithoutEndAreRefused) {
  phone_.Message(Upload()).Text("/x").Text(kPayload);
  for (int i = 0; i < 1000; ++i) phone_.Block(kData, "");
  ExpectProtocolError();
}

TEST_F(Mb2SessionTest, BlockOf4GiBEndsWithTheStreamAndHoldsNoMemory) {
  phone_.Message(Upload())
      .Text("/x")
      .Text(kPayload)
      .Length(0xFFFFFFFF)
      .Raw(
          "\x0C"
          "abc");
  EXPECT_FALSE(Run().ok());
  EXPECT_THAT(snapshot_.files, IsEmpty());
}

TEST_F(Mb2SessionTest, MessagesThatAreTooLargeOrEmptyAreRefused) {
  phone_.Length(0xFFFFFFFF).Raw("bplist00");
  ExpectProtocolError();
}

TEST_F(Mb2SessionTest, EmptyMessageIsRefused) {
  phone_.Length(0);
  ExpectProtocolError();
}

TEST_F(Mb2SessionTest, PlistBombIsRefused) {
  phone_.Text(mooring::testing::MakeFanOut(30, 2));
  ExpectProtocolError();
}

TEST_F(Mb2SessionTest, DeepPlistIsRefused) {
  phone_.Text(mooring::testing::MakeDeepXml(200'000));
  ExpectProtocolError();
}

TEST_F(Mb2SessionTest, MessageWithoutAVerbIsRefused) {
  phone_.Message(Plist::Dict());
  ExpectProtocolError();
}

TEST_F(Mb2SessionTest, OneBadPathInAMoveMovesNothing) {
  Put(kStored, "new");
  Plist map = Plist::Dict();
  map.Set(kPayload.c_str(), Plist::String(kUdid + "/3d/" + kId));
  map.Set((kUdid + "/00").c_str(), Plist::String("../../etc"));
  Plist move = Verb("DLMessageMoveItems");
  move.Add(std::move(map));
  phone_.Message(move);
  ExpectProtocolError();
}

TEST_F(Mb2SessionTest, OneBadPathInARemoveRemovesNothing) {
  Put(kStored, "new");
  Plist remove = Verb("DLMessageRemoveItems");
  remove.Add(Paths({kPayload, ".."}));
  phone_.Message(remove);
  ExpectProtocolError();
}

TEST_F(Mb2SessionTest, PhoneThatSpeaksSomethingElseIsRefused) {
  phone_ = ScriptedPhone();
  phone_.Message(Verb("DLMessageDeviceReady"));
  Mb2Session session(phone_, kUdid, files_, listener_);
  EXPECT_EQ(CauseOf(session.Open({})), v1::CAUSE_PROTOCOL_ERROR);
  EXPECT_EQ(session.state(), Mb2Session::State::kBroken);
}

}  // namespace
}  // namespace mooring::agent
