// What the tests of the Android engine share: simulated phones behind a genuine
// adb server of the test's own, a Mooring server in memory, and whole sessions.

#pragma once

#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "agent/android/android_engine.h"
#include "agent/android/probe.h"
#include "agent/android/storage_rules.h"
#include "agent/device/cause.h"
#include "agent/pipeline/snapshot_builder_impl.h"
#include "agent/restore/snapshot_reader_impl.h"
#include "storage/base/file.h"
#include "storage/base/status.h"
#include "tests/phones/android/android_farm.h"
#include "tests/phones/common/free_port.h"
#include "tests/phones/common/temp_dir.h"
#include "tests/phones/common/tool.h"
#include "tests/support/memory_link.h"
#include "tests/support/recording_progress.h"

namespace mooring::testing {

class AndroidEngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    port_ = FreePort();
    // The server's key and log are the test's; nothing of the user's is touched.
    setenv("HOME", temp_.path().c_str(), 1);
    setenv("ADB_MDNS_OPENSCREEN", "0", 1);
    server_ = std::make_unique<agent::AdbServer>(
        clock_, agent::AdbAddress{"127.0.0.1", port_, ""},
        agent::AdbPatience{absl::Seconds(20), absl::Seconds(20), absl::Seconds(20)});
    const auto started = server_->EnsureRunning(ctx_);
    ASSERT_TRUE(started.ok()) << started.status();
    auto farm = android::AndroidFarm::Start(
        {.temp_dir = temp_.path(), .marker = {}, .adb_server_port = port_});
    ASSERT_TRUE(farm.ok()) << farm.status();
    farm_ = *std::move(farm);
    patience_ = {absl::Seconds(20), absl::Seconds(30), absl::Milliseconds(50)};
  }
  void TearDown() override {
    farm_.reset();
    RunTool({"adb", "-P", std::to_string(port_), "kill-server"}, {});
  }

  std::string AddPhone(std::uint64_t seed, android::AndroidPhoneOptions options = {}) {
    options.content.seed = seed;
    return farm_->AddPhone(seed, std::move(options));
  }
  std::string AddEmptyPhone(std::uint64_t seed, android::AndroidPhoneOptions options = {}) {
    options.content.empty = true;
    return AddPhone(seed, std::move(options));
  }
  android::AndroidPhone& PhoneOf(const std::string& serial) { return *farm_->Find(serial); }
  std::unique_ptr<agent::Engine> EngineOf(const std::string& serial) {
    auto engine = agent::MakeAndroidEngine(
        serial, agent::AndroidDependencies{clock_, *server_, usb_, patience_});
    EXPECT_TRUE(engine.ok()) << engine.status();
    return *std::move(engine);
  }

  static agent::BackupOptions Everything() {
    agent::BackupOptions options;
    options.captures = {v1::CAPTURE_KIND_FULL};
    options.quota_bytes = std::uint64_t{1} << 40;
    options.categories.emplace();
    for (int value = v1::Category_MIN + 1; value <= v1::Category_MAX; ++value) {
      options.categories->push_back(static_cast<v1::Category>(value));
    }
    return options;
  }

  // One session from begin to receipt. A session that fails leaves no snapshot.
  absl::StatusOr<agent::BackupOutcome> BackUp(const std::string& serial,
                                              const agent::BackupOptions& options = Everything()) {
    const std::unique_ptr<agent::Engine> engine = EngineOf(serial);
    MOORING_RETURN_IF_ERROR(engine->Prepare(ctx_, progress_).status());
    v1::BeginBackupRequest request;
    request.mutable_device()->set_serial(serial);
    request.mutable_device()->set_platform(v1::PLATFORM_ANDROID);
    MOORING_ASSIGN_OR_RETURN(const v1::SessionGrant grant, link_.Begin(ctx_, request));
    MOORING_ASSIGN_OR_RETURN(const auto builder,
                             agent::SnapshotBuilderImpl::Create(ctx_, link_, random_, grant,
                                                                link_.hpke_private_key(), {}));
    MOORING_RETURN_IF_ERROR(builder->base_fault());
    const std::uint64_t before = PhoneOf(serial).bytes_sent();
    const std::uint64_t files_before = PhoneOf(serial).file_bytes_sent();
    MOORING_ASSIGN_OR_RETURN(agent::BackupOutcome outcome,
                             engine->Backup(ctx_, options, *builder, progress_));
    wire_bytes_ = PhoneOf(serial).bytes_sent() - before;
    file_wire_bytes_ = PhoneOf(serial).file_bytes_sent() - files_before;
    agent::CommitFacts facts;
    facts.captures = outcome.captures;
    facts.device = outcome.facts;
    facts.base_paths = outcome.base_paths;
    MOORING_RETURN_IF_ERROR(builder->Finish(ctx_, facts).status());
    return outcome;
  }

  absl::StatusOr<std::unique_ptr<agent::SnapshotReaderImpl>> OpenNewest() {
    v1::OpenSnapshotRequest request;
    MOORING_ASSIGN_OR_RETURN(const auto key, storage::HpkePublicKey(link_.hpke_private_key()));
    request.set_hpke_public_key(ToString(key));
    MOORING_ASSIGN_OR_RETURN(const auto opened, link_.OpenSnapshot(ctx_, request));
    return agent::SnapshotReaderImpl::Create(ctx_, link_, opened, link_.hpke_private_key(), {});
  }
  absl::StatusOr<agent::RestoreOutcome> Restore(const std::string& serial) {
    MOORING_ASSIGN_OR_RETURN(const auto reader, OpenNewest());
    const std::unique_ptr<agent::Engine> engine = EngineOf(serial);
    MOORING_RETURN_IF_ERROR(engine->Prepare(ctx_, progress_).status());
    MOORING_ASSIGN_OR_RETURN(check_, engine->CheckRestore(ctx_, *reader));
    if (!check_.possible) return absl::FailedPreconditionError("not possible");
    return engine->Restore(ctx_, *reader, SecretBytes(), progress_);
  }
  absl::StatusOr<std::string> ReadNewest(std::string_view path) {
    MOORING_ASSIGN_OR_RETURN(const auto reader, OpenNewest());
    std::string content;
    MOORING_RETURN_IF_ERROR(reader->Read(ctx_, path, [&](ByteView bytes) {
      content += AsText(bytes);
      return absl::OkStatus();
    }));
    return content;
  }

  // What of a phone's files is captured, by path: size, time and hash.
  std::map<std::string, std::string> FilesOf(const std::string& serial) {
    std::map<std::string, std::string> files;
    const auto dump = farm_->Dump(serial);
    EXPECT_TRUE(dump.ok()) << dump.status();
    for (const android::DumpedFile& file : *dump) {
      std::string below = file.path;
      below.erase(0, below.find('/', below.compare(0, 9, "/storage/") == 0 ? 9 : 1) + 1);
      if (file.sha256.empty() || agent::IsSkippedPath(below)) continue;
      // A memory card keeps every other second.
      const bool is_card = file.path.compare(0, 9, "/storage/") == 0;
      const std::int64_t time = file.modified_unix - (is_card ? file.modified_unix % 2 : 0);
      files[file.path] =
          std::to_string(file.size_bytes) + " " + std::to_string(time) + " " + file.sha256;
    }
    return files;
  }
  // Says what differs, not all that there is.
  static void ExpectSame(const std::map<std::string, std::string>& actual,
                         const std::map<std::string, std::string>& expected) {
    EXPECT_EQ(actual.size(), expected.size());
    for (const auto& [path, look] : expected) {
      const auto it = actual.find(path);
      EXPECT_EQ(it == actual.end() ? "missing" : it->second, look) << path;
    }
    for (const auto& [path, look] : actual) {
      EXPECT_EQ(expected.count(path), 1U) << path << " is too much";
    }
  }
  void ExpectGoodManners(const std::string& serial) {
    EXPECT_EQ(farm_->Violations(serial), std::vector<std::string>());
  }

  TempDir temp_;
  SystemClock clock_;
  SystemRandom random_;
  OpContext ctx_;
  std::uint16_t port_ = 0;
  std::unique_ptr<agent::AdbServer> server_;
  agent::SysfsUsbBus usb_{RealFileSystem(), temp_.path() + "/no-usb"};
  std::unique_ptr<android::AndroidFarm> farm_;
  MemoryLink link_{random_};
  agent::AndroidPatience patience_;
  RecordingProgress progress_;
  agent::RestoreCheck check_;
  // Of the last session, as the phone counted them; the second of sync, tar and tail.
  std::uint64_t wire_bytes_ = 0;
  std::uint64_t file_wire_bytes_ = 0;
};

}  // namespace mooring::testing
