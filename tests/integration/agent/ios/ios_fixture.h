// What the tests of the iOS engine share: simulated iPhones behind a usbmuxd,
// a server in memory, and whole sessions between them.

#pragma once

#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/device/cause.h"
#include "agent/ios/ios_engine.h"
#include "agent/pipeline/snapshot_builder_impl.h"
#include "agent/restore/snapshot_reader_impl.h"
#include "storage/base/status.h"
#include "tests/phones/common/temp_dir.h"
#include "tests/phones/iphone/phone_farm.h"
#include "tests/support/memory_link.h"
#include "tests/support/recording_progress.h"

namespace mooring::testing {

class IosEngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto farm = PhoneFarm::Start({.socket_path = temp_.path() + "/usbmuxd.sock",
                                  .state_dir = {},
                                  .temp_dir = temp_.path(),
                                  .marker = "PLANTED-MARKER"});
    ASSERT_TRUE(farm.ok()) << farm.status();
    farm_ = *std::move(farm);
    setenv("USBMUXD_SOCKET_ADDRESS", farm_->socket_address().c_str(), 1);
    patience_.trust = {.trust_max = absl::Seconds(10),
                       .unlock_max = absl::Seconds(10),
                       .poll_first = absl::Milliseconds(50),
                       .poll_max = absl::Milliseconds(200)};
    patience_.silence_max = absl::Seconds(30);
  }
  void TearDown() override { unsetenv("USBMUXD_SOCKET_ADDRESS"); }

  // A phone that is attached and not yet paired.
  std::string AddPhone(std::uint64_t seed, PhoneOptions options = {}) {
    return farm_->AddPhone(seed, std::move(options));
  }
  Phone& PhoneOf(const std::string& udid) { return *farm_->Find(udid); }
  std::unique_ptr<agent::Engine> EngineOf(const std::string& udid) {
    return agent::MakeIosEngine(udid, {clock_, random_, patience_});
  }
  void Pair(const std::string& udid) {
    const auto prepared = EngineOf(udid)->Prepare(ctx_, progress_);
    ASSERT_TRUE(prepared.ok()) << prepared.status();
  }

  static agent::BackupOptions FullBackup() {
    agent::BackupOptions options;
    options.captures = {v1::CAPTURE_KIND_FULL};
    options.quota_bytes = std::uint64_t{1} << 40;
    return options;
  }

  // One session from begin to receipt. A session that fails leaves no snapshot.
  absl::StatusOr<agent::BackupOutcome> BackUp(const std::string& udid,
                                              const agent::BackupOptions& options = FullBackup()) {
    v1::BeginBackupRequest request;
    request.mutable_device()->set_serial(udid);
    MOORING_ASSIGN_OR_RETURN(const v1::SessionGrant grant, link_.Begin(ctx_, request));
    MOORING_ASSIGN_OR_RETURN(const auto builder,
                             agent::SnapshotBuilderImpl::Create(ctx_, link_, random_, grant,
                                                                link_.hpke_private_key(), {}));
    MOORING_RETURN_IF_ERROR(builder->base_fault());
    MOORING_ASSIGN_OR_RETURN(agent::BackupOutcome outcome,
                             EngineOf(udid)->Backup(ctx_, options, *builder, progress_));
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
  absl::StatusOr<agent::RestoreOutcome> Restore(const std::string& udid,
                                                std::string_view password = {}) {
    MOORING_ASSIGN_OR_RETURN(const auto reader, OpenNewest());
    return EngineOf(udid)->Restore(ctx_, *reader, SecretBytes::CopyOf(AsBytes(password)),
                                   progress_);
  }

  OperationRecord Last(const std::string& udid) {
    return PhoneOf(udid).last_operation().value_or(OperationRecord());
  }
  // The phone's files by domain and path, without what an unencrypted backup leaves out.
  std::map<std::string, DumpedFile> FilesOf(const std::string& udid, bool sensitive = false) {
    std::map<std::string, DumpedFile> files;
    const auto dump = farm_->Dump(udid);
    EXPECT_TRUE(dump.ok()) << dump.status();
    for (const DumpedFile& file : *dump) {
      if (!file.encrypted_only || sensitive) files[file.domain + "-" + file.path] = file;
    }
    return files;
  }
  // The same, one line a file, for comparison of what matters.
  std::map<std::string, std::string> ContentsOf(const std::string& udid, bool sensitive = false) {
    std::map<std::string, std::string> contents;
    for (const auto& [name, file] : FilesOf(udid, sensitive)) {
      contents[name] =
          fmt::format("kind {} mode {:o} time {} size {} {} {}", static_cast<int>(file.kind),
                      file.mode, file.modified_unix, file.size_bytes, file.sha256, file.target);
    }
    return contents;
  }
  void ExpectGoodManners(const std::string& udid) {
    EXPECT_EQ(farm_->Violations(udid), std::vector<std::string>());
    EXPECT_EQ(farm_->UsbmuxdViolations(), std::vector<std::string>());
  }

  TempDir temp_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<PhoneFarm> farm_;
  MemoryLink link_{random_};
  agent::IosPatience patience_;
  RecordingProgress progress_;
  OpContext ctx_;
};

}  // namespace mooring::testing
