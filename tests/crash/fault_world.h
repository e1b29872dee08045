// FaultWorld: what the tests of single faults stand on. The shipped mooringd with the
// failpoint library, a PostgreSQL of its own, and phones that were backed up once.

#pragma once

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "storage/catalog/private_postgres.h"
#include "tests/crash/crash_world.h"
#include "tests/crash/failpoint_board.h"
#include "tests/crash/loop_disk.h"
#include "tests/crash/shipped_server.h"

namespace mooring::testing {

class FaultWorld : public ::testing::Test {
 protected:
  struct Where {
    std::string repository = {};  // Empty: beside the state.
    std::string database = {};    // Directory of PostgreSQL; empty: beside the state.
    std::string configuration = {};
  };

  // A backup of each of `phones` is acknowledged when this returns.
  void SetUpWorld(int phones, const Where& where);
  void SetUpWorld(int phones) { SetUpWorld(phones, Where()); }
  // The server alone, without init.
  void SetUpServer(const Where& where);
  void TearDown() override;

  absl::Status StartServer() { return server_->Start(board_->environment()); }
  // As whoever supervises it does after its end.
  void Restart();
  void Arm(const std::string& words);
  // All is there, restores bit by bit, and is whole.
  void CheckEverything();

  TempDir dir_;
  SystemClock clock_;
  std::unique_ptr<storage::PrivatePostgres> postgres_;
  std::unique_ptr<ShippedServer> server_;
  std::unique_ptr<FailpointBoard> board_;
  std::unique_ptr<CrashWorld> world_;
};

// Fills a file system to its last byte, or its last inode, until it is destroyed.
class Filler {
 public:
  enum class With { kBytes, kInodes };
  Filler(const std::string& directory, With with);
  ~Filler();
  Filler(const Filler&) = delete;
  Filler& operator=(const Filler&) = delete;
  void Stop();

 private:
  const std::string directory_;
};

}  // namespace mooring::testing
