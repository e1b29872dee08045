// LoopDisk: a file system of its own in a file, mounted by way of a loop device, whose
// power can be cut: the SHUTDOWN ioctl of ext4 and XFS ends all writing at once, and what was not
// durable is gone with the next mount, which replays the journal.
//
// Needs root and loop devices. Unmounted at the end, however this process ends.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "tests/support/subprocess.h"

namespace mooring::testing {

class LoopDisk {
 public:
  enum class Cut : std::uint32_t {
    kLogFlushed = 1,     // What the journal holds is on disk, the data of files is not.
    kNothingFlushed = 2  // Neither.
  };

  // `kind`: "ext4", "xfs" or "tmpfs". `mkfs_words`: more words for mkfs.
  // kUnimplemented: not possible on this machine, and why.
  static absl::StatusOr<std::unique_ptr<LoopDisk>> Make(
      const std::string& kind, std::uint64_t bytes,
      const std::vector<std::string>& mkfs_words = {});
  ~LoopDisk();
  LoopDisk(const LoopDisk&) = delete;
  LoopDisk& operator=(const LoopDisk&) = delete;

  // Where it is mounted.
  std::string path() const { return dir_.path() + "/disk"; }
  absl::Status CutPower(Cut cut);
  // After all its files were closed.
  absl::Status MountAgain();
  // As `mount -o remount,OPTION`: "ro", "rw", "size=64m".
  absl::Status Remount(const std::string& option);
  // Leaves the image behind: for a failed test.
  void Keep() { dir_.Keep(); }

 private:
  explicit LoopDisk(std::string kind) : kind_(std::move(kind)) {}
  absl::Status Mount();
  absl::Status Unmount();
  void StartReaper();
  std::string image() const { return dir_.path() + "/image"; }

  const std::string kind_;
  TempDir dir_;
  int reaper_ = -1;
};

// The postmaster of a cluster, or 0; and it with the processes that it runs.
pid_t PostmasterOf(const std::string& data_directory);
std::vector<pid_t> ProcessesOf(pid_t postmaster);
// Ends them by SIGKILL and waits: they would hold the file system. Take the postmaster's
// number before the power is cut.
void KillPostgres(pid_t postmaster);

}  // namespace mooring::testing
