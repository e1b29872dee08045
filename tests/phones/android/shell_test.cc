// The sh subset, checked against what mksh does.

#include "tests/phones/android/shell.h"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/clock.h"
#include "tests/phones/android/phone.h"
#include "tests/phones/android/run_line.h"
#include "tests/phones/common/temp_dir.h"

namespace mooring::testing::android {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class ShellTest : public ::testing::Test {
 protected:
  LineResult Run(std::string_view line, std::string input = "") {
    return RunLine(phone_, line, std::move(input));
  }
  std::string Out(std::string_view line, std::string input = "") {
    return Run(line, std::move(input)).out;
  }

  SystemClock clock_;
  TempDir temp_;
  ContentLibrary library_{"", temp_.path()};
  AndroidPhone phone_{
      {.android = 14, .content = {.files = 40, .bytes = 200'000}}, library_, clock_};
};

TEST_F(ShellTest, QuotesAsMkshDoes) {
  EXPECT_EQ(Out("echo 'it'\\''s'"), "it's\n");
  EXPECT_EQ(Out("echo '$HOME `id` \\n'"), "$HOME `id` \\n\n");
  EXPECT_EQ(Out("echo \"$USER\"' '$USER"), "shell shell\n");
  EXPECT_EQ(Out("echo \"a\\\"b\\$c\\x\""), "a\"b$c\\x\n");
  EXPECT_EQ(Out("echo a\\ b   c"), "a b c\n");
  EXPECT_EQ(Out("echo '' | wc -c"), "1\n");
  EXPECT_EQ(Out("printf '%s|' '' a ''"), "|a||");
  EXPECT_EQ(Out("echo 'line\nbreak'"), "line\nbreak\n");
  EXPECT_EQ(Run("echo 'open").status, 2);
}

TEST_F(ShellTest, ListsAndPipes) {
  EXPECT_EQ(Out("false && echo a || echo b; echo $?"), "b\n0\n");
  EXPECT_EQ(Out("true && echo a\necho b"), "a\nb\n");
  EXPECT_EQ(Out("! false && echo yes"), "yes\n");
  EXPECT_EQ(Out("printf 'c\\nd\\n' | tail -n 1 | wc -l"), "1\n");
  EXPECT_EQ(Out("cat | tail -c +3", "abcdef"), "cdef");
  EXPECT_EQ(Out("(cd /sdcard && pwd); pwd"), "/storage/emulated/0\n/\n");
  EXPECT_EQ(Out("X=1; Y=\"$X 2\"; echo \"$Y\" ${X}3"), "1 2 13\n");
  EXPECT_EQ(Out("echo $(echo a; echo b) \"$(printf 'c\\nd')\""), "a b c\nd\n");
  EXPECT_EQ(Run("exit 3; echo no").status, 3);
  EXPECT_EQ(Run("false | true").status, 0);
  EXPECT_EQ(Out("sh -c 'echo \"$0\"inner'"), "inner\n");
}

TEST_F(ShellTest, RedirectsAndPatterns) {
  EXPECT_EQ(Out("cd /sdcard/Download && echo one > x.txt && echo two >> x.txt && cat < x.txt"),
            "one\ntwo\n");
  EXPECT_EQ(Out("cat /sdcard/nothing 2>&1"), "cat: /sdcard/nothing: No such file or directory\n");
  EXPECT_THAT(Run("cat /sdcard/nothing 2>/dev/null").err, IsEmpty());
  EXPECT_THAT(Run("echo x > /system/x").err, HasSubstr("Read-only file system"));
  EXPECT_EQ(Out("cd /sdcard && echo Mov*/ D*C?"), "Movies/ D*C?\n");
  EXPECT_EQ(Out("echo '/sdcard/Mo*' /nowhere/*"), "/sdcard/Mo* /nowhere/*\n");
}

TEST_F(ShellTest, WhatIsUnknownIsNotFound) {
  const LineResult result = Run("dd if=/dev/zero");
  EXPECT_EQ(result.status, 127);
  EXPECT_EQ(result.err, "/system/bin/sh: dd: inaccessible or not found\n");
  EXPECT_THAT(phone_.violations(), IsEmpty());
  EXPECT_EQ(Run("for i in a; do echo $i; done").status, 2);
  EXPECT_THAT(phone_.violations(), ::testing::Contains(HasSubstr("not simulated")));
}

TEST_F(ShellTest, SilentAboutMessagesThatAreNotWritten) {
  const std::string insert =
      "content insert --uri content://sms --bind address:s:+1 --bind body:s:'hello, x=y'"
      " --bind date:l:5 --bind type:i:1";
  const std::int64_t before = phone_.providers().Count("sms");
  EXPECT_EQ(Run(insert).status, 0);
  EXPECT_EQ(phone_.providers().Count("sms"), before);
  EXPECT_EQ(Run("appops set com.android.shell WRITE_SMS allow").status, 0);
  EXPECT_EQ(Run(insert).status, 0);
  EXPECT_EQ(Out("content query --uri content://sms --projection date:body --where 'date=5'"),
            "Row: 0 date=5, body=hello, x=y\n");
}

TEST_F(ShellTest, ProvidersSpeakAndRefuse) {
  EXPECT_EQ(Out("content query --uri content://sms --where '_id=999999'"), "No result found.\n");
  EXPECT_THAT(
      Out("content query --uri content://com.android.contacts/contacts --projection lookup"),
      StartsWith("Row: 0 lookup=key1\nRow: 1 lookup=key2\n"));
  EXPECT_THAT(Out("content read --uri "
                  "content://com.android.contacts/contacts/as_multi_vcard/key1%3Akey2"),
              StartsWith("BEGIN:VCARD\r\nVERSION:2.1\r\n"));
  EXPECT_THAT(Out("content read --uri content://mms/part/2"), StartsWith("\xFF\xD8"));
  EXPECT_THAT(Out("content query --uri content://call_log/calls --projection _id:name:number"),
              HasSubstr("name=NULL"));
  phone_.providers().Refuse("call_log");
  const LineResult refused = Run("content query --uri content://call_log/calls");
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, StartsWith("Error while accessing provider:call_log\n"));
  EXPECT_THAT(refused.err, HasSubstr("java.lang.SecurityException"));
}

TEST_F(ShellTest, SettingsComeBack) {
  EXPECT_EQ(Out("settings get system font_scale; settings get system nothing"), "1.15\nnull\n");
  EXPECT_EQ(Run("settings put system font_scale '1.3'").status, 0);
  EXPECT_THAT(Out("settings list system"), HasSubstr("\nfont_scale=1.3\n"));
}

}  // namespace
}  // namespace mooring::testing::android
