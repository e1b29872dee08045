// The programs of a simulated phone, by the file that they are in. Each takes its
// arguments with its own name in front, and returns its exit status.

#pragma once

#include <string>
#include <string_view>

#include "tests/phones/android/file_tree.h"
#include "tests/phones/android/shell.h"

namespace mooring::testing::android {

// programs_text.cc
int RunCat(const ShellContext& context, const Arguments& arguments);
int RunEcho(const ShellContext& context, const Arguments& arguments);
int RunHead(const ShellContext& context, const Arguments& arguments);
int RunPrintf(const ShellContext& context, const Arguments& arguments);
int RunSleep(const ShellContext& context, const Arguments& arguments);
int RunTail(const ShellContext& context, const Arguments& arguments);
int RunTest(const ShellContext& context, const Arguments& arguments);
int RunWc(const ShellContext& context, const Arguments& arguments);
int RunXargs(const ShellContext& context, const Arguments& arguments);

// programs_files.cc
int RunChmod(const ShellContext& context, const Arguments& arguments);
int RunDf(const ShellContext& context, const Arguments& arguments);
int RunLs(const ShellContext& context, const Arguments& arguments);
int RunMkdir(const ShellContext& context, const Arguments& arguments);
int RunMv(const ShellContext& context, const Arguments& arguments);
int RunReadlink(const ShellContext& context, const Arguments& arguments);
int RunRm(const ShellContext& context, const Arguments& arguments);
int RunStat(const ShellContext& context, const Arguments& arguments);
int RunTouch(const ShellContext& context, const Arguments& arguments);

// program_find.cc, program_tar.cc, program_hash.cc
int RunFind(const ShellContext& context, const Arguments& arguments);
int RunTar(const ShellContext& context, const Arguments& arguments);
int RunHash(const ShellContext& context, const Arguments& arguments);

// programs_system.cc
int RunAm(const ShellContext& context, const Arguments& arguments);
int RunAppOps(const ShellContext& context, const Arguments& arguments);
int RunDate(const ShellContext& context, const Arguments& arguments);
int RunDumpsys(const ShellContext& context, const Arguments& arguments);
int RunGetprop(const ShellContext& context, const Arguments& arguments);
int RunId(const ShellContext& context, const Arguments& arguments);
int RunSettings(const ShellContext& context, const Arguments& arguments);

// program_pm.cc, program_content.cc
int RunPm(const ShellContext& context, const Arguments& arguments);
int RunContent(const ShellContext& context, const Arguments& arguments);

// "-rw-rw----"
std::string ModeText(std::uint32_t mode);
std::string UserName(std::uint32_t id);
// "2024-03-01 12:30:05" in UTC, as the phone's clock is set; with `has_fraction` also
// nanoseconds and zone.
std::string TimeText(std::int64_t unix_ns, std::string_view format);

}  // namespace mooring::testing::android
