#include "tests/crash/fault_world.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <system_error>
#include <vector>

#include <absl/time/clock.h>
#include <fmt/format.h>

namespace mooring::testing {

void FaultWorld::SetUpServer(const Where& where) {
  storage::PrivatePostgresOptions postgres;
  postgres.directory = where.database.empty() ? dir_.path() + "/postgres" : where.database;
  postgres.shared_buffers = "32MB";
  auto started = storage::PrivatePostgres::Start(
      {.deadline = absl::Now() + absl::Minutes(2), .stop = {}}, postgres, clock_);
  ASSERT_TRUE(started.ok()) << started.status();
  postgres_ = *std::move(started);
  server_ =
      std::make_unique<ShippedServer>(ShippedServerOptions{.state_dir = dir_.path() + "/server",
                                                           .database_url = postgres_->url(),
                                                           .repository = where.repository,
                                                           .configuration = where.configuration});
  board_ = std::make_unique<FailpointBoard>(dir_.path() + "/failpoints", server_->repository());
}

void FaultWorld::SetUpWorld(int phones, const Where& where) {
  SetUpServer(where);
  if (HasFatalFailure()) return;
  absl::Status status = server_->Init();
  ASSERT_TRUE(status.ok()) << status;
  status = StartServer();
  ASSERT_TRUE(status.ok()) << status;
  world_ = std::make_unique<CrashWorld>(*server_, phones, 1);
  status = world_->SetUp();
  ASSERT_TRUE(status.ok()) << status;
}

void FaultWorld::TearDown() {
  if (HasFailure() && server_ != nullptr) std::cerr << server_->LastWords() << "\n";
  world_.reset();
  if (server_ != nullptr) server_->Kill();
  postgres_.reset();
}

void FaultWorld::Restart() {
  board_->Disarm();
  server_->Kill();
  const absl::Status started = StartServer();
  ASSERT_TRUE(started.ok()) << started;
  world_->Reconnect();
}

void FaultWorld::Arm(const std::string& words) {
  const auto failpoint = FailpointOf(words);
  ASSERT_TRUE(failpoint) << words;
  board_->Arm(*failpoint);
}

void FaultWorld::CheckEverything() {
  const absl::Status settled = world_->Settle();
  EXPECT_TRUE(settled.ok()) << settled;
  const absl::Status checked = world_->Check(true);
  EXPECT_TRUE(checked.ok()) << checked;
}

Filler::Filler(const std::string& directory, With with) : directory_(directory + "/filler") {
  std::filesystem::create_directory(directory_);
  if (with == With::kInodes) {
    for (int i = 0;; ++i) {
      const int fd = open(fmt::format("{}/{}", directory_, i).c_str(), O_CREAT | O_WRONLY, 0600);
      if (fd < 0) return;
      close(fd);
    }
  }
  const int fd = open((directory_ + "/bytes").c_str(), O_CREAT | O_WRONLY, 0600);
  std::vector<char> block(1 << 20, 'x');
  for (std::size_t size = block.size(); size > 0;) {
    if (write(fd, block.data(), size) <= 0) size /= 2;
  }
  close(fd);
}

Filler::~Filler() {
  Stop();
}

void Filler::Stop() {
  std::error_code error;
  std::filesystem::remove_all(directory_, error);
}

}  // namespace mooring::testing
