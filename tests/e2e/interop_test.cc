// Both ways with the genuine idevicebackup2: what it wrote equals what Mooring
// captured, and what Mooring exported it restores.

#include <map>

#include <gtest/gtest.h>

#include "tests/e2e/deployment.h"

namespace mooring::testing {
namespace {

// "hash path" lines of a backup folder without the files that differ by their
// nature: Info.plist is the host's, Status.plist and the manifests carry dates and ids.
std::string PayloadHashes(const std::string& folder) {
  const RunResult hashes =
      RunProgram({"bash", "-c",
                  "cd \"$0\" && find . -type f -path './[0-9a-f][0-9a-f]/*' -print0 | sort -z | "
                  "xargs -0 -r sha256sum",
                  folder});
  EXPECT_EQ(hashes.exit_code, 0) << hashes.err;
  return hashes.out;
}

TEST(InteropTest, ExportEqualsAndRestoresWithTheGenuineTool) {
  Deployment d;
  d.Enroll("desk");
  d.StartFarm("usb", {"--phones", "1", "--seed", "41"});
  const std::string phone = d.Phones("usb").at(0);
  d.StartAgent("desk", "usb");
  d.AwaitDevice(phone);
  d.Assign(phone, "alice");
  const RunResult backup = d.Backup("desk", phone);
  ASSERT_EQ(backup.exit_code, 0) << backup.out << backup.err;

  // Export under a grant that the single administrator approves.
  const std::string snapshot = d.LatestSnapshot(phone).value("id", "");
  const std::string folder = d.path() + "/export";
  const RunResult asked =
      d.Mooring({"snapshot", "export", snapshot, "--to", folder, "--reason", "test"});
  EXPECT_EQ(asked.exit_code, 6) << asked.out << asked.err;
  const Json requests = d.MooringJson({"request", "list"})["requests"];
  ASSERT_EQ(requests.size(), 1u);
  ASSERT_EQ(d.Mooring({"request", "approve", requests[0].value("id", "")}).exit_code, 0);
  const RunResult exported =
      d.Mooring({"snapshot", "export", snapshot, "--to", folder, "--reason", "test"});
  ASSERT_EQ(exported.exit_code, 0) << exported.out << exported.err;

  // The genuine tool's own backup of the same phone has the same payload.
  const std::string genuine = d.path() + "/genuine";
  ASSERT_EQ(RunProgram({"mkdir", genuine}).exit_code, 0);
  const RunResult tool = RunProgram({"idevicebackup2", "-u", phone, "backup", "--full", genuine},
                                    d.FarmEnvironment("usb"));
  ASSERT_EQ(tool.exit_code, 0) << tool.out << tool.err;
  const std::string ours = PayloadHashes(folder + "/" + phone);
  EXPECT_FALSE(ours.empty());
  EXPECT_EQ(ours, PayloadHashes(genuine + "/" + phone));

  // And it restores our folder to an empty phone.
  const std::string spare = d.AddPhone("usb", {"empty"});
  ASSERT_TRUE(Eventually([&] {
    return RunProgram({"idevicepair", "-u", spare, "validate"}, d.FarmEnvironment("usb"))
               .exit_code == 0;
  }));
  const RunResult restored = RunProgram({"idevicebackup2", "-u", spare, "-s", phone, "restore",
                                         "--system", "--settings", "--remove", folder},
                                        d.FarmEnvironment("usb"));
  EXPECT_EQ(restored.exit_code, 0) << restored.out << restored.err;
  EXPECT_EQ(d.Content("usb", spare), d.Content("usb", phone));
}

}  // namespace
}  // namespace mooring::testing
