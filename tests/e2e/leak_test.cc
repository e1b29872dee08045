// Nothing readable is left behind: no file of the agent's making holds phone
// content, and neither repository, database nor logs hold planted plaintext or keys.

#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/e2e/deployment.h"

namespace mooring::testing {
namespace {

constexpr char kMarker[] = "Zebra-Quartz-Marker-7391";

// Files that the traced processes opened for writing or created, without /dev and /proc.
std::set<std::string> FilesWritten(const std::string& trace) {
  std::set<std::string> files;
  std::istringstream lines(trace);
  for (std::string line; std::getline(lines, line);) {
    const bool writes =
        line.find("O_WRONLY") != std::string::npos || line.find("O_RDWR") != std::string::npos ||
        line.find("O_CREAT") != std::string::npos || line.find("O_TMPFILE") != std::string::npos ||
        line.find("creat(") != std::string::npos ||
        line.find("memfd_create(") != std::string::npos ||
        line.find("rename") != std::string::npos || line.find("link") != std::string::npos ||
        line.find("mknod") != std::string::npos;
    if (!writes || line.find(" = -1 ") != std::string::npos) continue;
    for (std::size_t at = line.find('"'); at != std::string::npos;) {
      const std::size_t end = line.find('"', at + 1);
      if (end == std::string::npos) break;
      const std::string path = line.substr(at + 1, end - at - 1);
      if (path.rfind("/dev/", 0) != 0 && path.rfind("/proc/", 0) != 0) files.insert(path);
      at = line.find('"', end + 1);
    }
  }
  return files;
}

TEST(LeakTest, TheAgentWritesNoFileDuringBackupAndRestore) {
  Deployment d;
  d.Enroll("desk");
  d.StartFarm("usb", {"--phones", "1", "--seed", "12", "--marker", kMarker});
  const std::string phone = d.Phones("usb").at(0);
  d.StartAgent("desk", "usb");
  d.AwaitDevice(phone);
  d.Assign(phone, "alice");

  const std::string trace = d.path() + "/trace";
  Background strace({"strace", "-f", "-qq", "-e",
                     "trace=open,openat,openat2,creat,memfd_create,rename,renameat,renameat2,link,"
                     "linkat,symlink,symlinkat,mknod,mknodat",
                     "-s", "300", "-o", trace, "-p", std::to_string(d.agent("desk").pid())},
                    {}, d.path() + "/strace.out", d.path() + "/strace.err");
  // Attached once it has seen a call.
  ASSERT_TRUE(Eventually([&] {
    d.Agent("desk", {"status"});
    return ReadText("/proc/" + std::to_string(d.agent("desk").pid()) + "/status")
               .find("TracerPid:\t0") == std::string::npos;
  }));

  const RunResult backup = d.Backup("desk", phone);
  ASSERT_EQ(backup.exit_code, 0) << backup.out << backup.err;
  const std::string spare = d.AddPhone("usb", {"empty"});
  const RunResult restored = d.Restore(phone, spare);
  ASSERT_EQ(restored.exit_code, 0) << restored.out << restored.err;
  EXPECT_EQ(d.Content("usb", spare), d.Content("usb", phone));
  strace.Signal(2);
  strace.Wait(absl::Seconds(10));

  const std::string text = ReadText(trace);
  EXPECT_NE(text.find("open"), std::string::npos) << "nothing was traced";
  for (const std::string& file : FilesWritten(text)) {
    ADD_FAILURE() << "the agent wrote to " << file;
  }
}

TEST(LeakTest, PlantedPlaintextAndKeysAreNowhereAtRest) {
  Deployment d;
  d.Enroll("desk");
  d.StartFarm("usb", {"--phones", "1", "--seed", "13", "--marker", kMarker});
  const std::string phone = d.Phones("usb").at(0);
  d.StartAgent("desk", "usb");
  d.AwaitDevice(phone);
  d.Assign(phone, "alice");
  const RunResult backup = d.Backup("desk", phone);
  ASSERT_EQ(backup.exit_code, 0) << backup.out << backup.err;

  // The marker really is on the phone, in a name too.
  const std::string dump = d.Farm("usb", {"dump", phone}).out;
  ASSERT_NE(dump.find(kMarker), std::string::npos);

  // Everything at rest: repository, PostgreSQL's files with its log, both logs, the agent's state.
  ASSERT_TRUE(d.StopServer());
  const RunResult plain = RunProgram({"grep", "-rlaF", kMarker, d.server_dir(), d.agent_dir("desk"),
                                      d.path() + "/mooringd.log", d.path() + "/mooringd.out",
                                      d.path() + "/agent-desk.log", d.path() + "/agent-desk.out"});
  EXPECT_EQ(plain.exit_code, 1) << "plaintext in\n" << plain.out;

  // The key-encryption key is in its own file and in the recovery kit, nowhere else.
  const std::string kek = ReadText(d.server_dir() + "/kek");
  ASSERT_GE(kek.size(), 32u);
  const std::string pattern = d.path() + "/kek.hex";
  const RunResult holders =
      RunProgram({"grep", "-rlaF", "-f", d.server_dir() + "/kek", d.server_dir() + "/repository",
                  d.server_dir() + "/postgresql", d.path() + "/mooringd.log"});
  EXPECT_NE(holders.exit_code, 0) << "the key-encryption key is in\n" << holders.out;
}

}  // namespace
}  // namespace mooring::testing
