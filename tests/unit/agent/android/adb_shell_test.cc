#include "agent/android/adb_shell.h"

#include <array>

#include <gtest/gtest.h>

#include "agent/device/cause.h"
#include "tests/support/canned_adb_device.h"

namespace mooring::agent {
namespace {

using ::mooring::testing::Le32;
using ::mooring::testing::ScriptedAdbStream;
using ::mooring::testing::ShellPacket;

ShellStream Shell(std::string script, std::string* written = nullptr) {
  return ShellStream(std::make_unique<ScriptedAdbStream>(std::move(script), written));
}

std::string ReadAll(ShellStream& shell, absl::Status* status = nullptr) {
  std::string all;
  std::array<std::byte, 3> piece{};  // Smaller than a packet.
  while (true) {
    const auto count = shell.Read({}, piece);
    if (!count.ok() && status != nullptr) *status = count.status();
    if (!count.ok() || *count == 0) return all;
    all += AsText(ByteView(piece).subspan(0, *count));
  }
}

TEST(ShellStreamTest, OutputErrorsAndExitAreKeptApart) {
  ShellStream shell = Shell(ShellPacket(1, "hello ") + ShellPacket(2, "oops") +
                            ShellPacket(1, "world") + ShellPacket(3, "\x07"));
  EXPECT_EQ(ReadAll(shell), "hello world");
  const auto exit = shell.Finish({});
  ASSERT_TRUE(exit.ok());
  EXPECT_EQ(exit->status, 7);
  EXPECT_EQ(exit->errors, "oops");
}

TEST(ShellStreamTest, AnEndWithoutExitStatusIsAnUnplug) {
  ShellStream shell = Shell(ShellPacket(1, "half"));
  absl::Status status;
  EXPECT_EQ(ReadAll(shell, &status), "half");
  EXPECT_EQ(CauseOf(status), v1::CAUSE_UNPLUGGED);
  EXPECT_TRUE(absl::IsUnavailable(status));
  // In the middle of a packet as well.
  ShellStream cut = Shell(ShellPacket(1, "half").substr(0, 7));
  EXPECT_EQ(CauseOf(cut.Finish({}).status()), v1::CAUSE_UNPLUGGED);
}

TEST(ShellStreamTest, OnlyTheBeginningOfErrorsIsKept) {
  std::string script;
  for (int i = 0; i < 100; ++i) script += ShellPacket(2, std::string(10'000, 'e'));
  ShellStream shell = Shell(script + ShellPacket(3, std::string(1, '\0')));
  const auto exit = shell.Finish({});
  ASSERT_TRUE(exit.ok());
  EXPECT_EQ(exit->errors.size(), kShellErrorBytesMax);
}

TEST(ShellStreamTest, WhatTheProtocolDoesNotAllowIsRefused) {
  std::string empties;
  for (int i = 0; i < 2000; ++i) empties += ShellPacket(1, "");
  for (const std::string& bad :
       {ShellPacket(9, "x"), ShellPacket(0, "x"), ShellPacket(3, "xx"), ShellPacket(3, ""),
        std::string("\x01") + Le32(0xffffffff), empties}) {
    ShellStream shell = Shell(bad);
    EXPECT_EQ(CauseOf(shell.Finish({}).status()), v1::CAUSE_PROTOCOL_ERROR);
  }
}

TEST(ShellStreamTest, InputGoesOutInPacketsAndEnds) {
  std::string written;
  ShellStream shell = Shell("", &written);
  const std::string list(40'000, 'n');
  EXPECT_TRUE(shell.Write({}, AsBytes(list)).ok());
  EXPECT_TRUE(shell.CloseStdin({}).ok());
  EXPECT_EQ(written, ShellPacket(0, list.substr(0, 32'768)) + ShellPacket(0, list.substr(32'768)) +
                         ShellPacket(4, ""));
}

TEST(ShellStreamTest, WhatComesWhileWritingIsNotLost) {
  std::string written;
  ShellStream shell =
      Shell(ShellPacket(1, "early") + ShellPacket(2, "warned") + ShellPacket(1, " bird"), &written);
  EXPECT_TRUE(shell.Write({}, AsBytes("list")).ok());
  EXPECT_EQ(written, ShellPacket(0, "list"));
  EXPECT_EQ(ReadAll(shell), "early bird");
}

TEST(ShellStreamTest, ACommandThatOnlyAnswersIsStopped) {
  std::string script;
  for (int i = 0; i < 6; ++i) script += ShellPacket(1, std::string(1 << 20, 'x'));
  ShellStream shell = Shell(script);
  EXPECT_TRUE(absl::IsResourceExhausted(shell.Write({}, AsBytes("list"))));
}

TEST(ShellStreamTest, ACommandThatEndedEarlyTakesNoMore) {
  std::string written;
  ShellStream shell = Shell(ShellPacket(3, "\x01"), &written);
  EXPECT_TRUE(shell.Write({}, AsBytes("list")).ok());
  EXPECT_TRUE(shell.CloseStdin({}).ok());
  EXPECT_EQ(written, "");
  EXPECT_EQ(shell.Finish({})->status, 1);
}

TEST(RunShellTest, OutputIsBounded) {
  testing::CannedAdbDevice device;
  device.Say("cat", {std::string(1000, 'x'), 0, ""});
  EXPECT_EQ(RunShell({}, device, "cat it", 1000)->output.size(), 1000U);
  EXPECT_TRUE(absl::IsOutOfRange(RunShell({}, device, "cat it", 999).status()));
  EXPECT_EQ(RunShell({}, device, "other", 10)->exit.status, 127);
}

TEST(QuoteForShellTest, IsOneWordWhateverItHolds) {
  EXPECT_EQ(QuoteForShell(""), "''");
  EXPECT_EQ(QuoteForShell("a b\n$(c)`d`\"\\"), "'a b\n$(c)`d`\"\\'");
  EXPECT_EQ(QuoteForShell("it's"), "'it'\\''s'");
}

}  // namespace
}  // namespace mooring::agent
