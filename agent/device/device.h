// The seam between a phone's platform and everything else. An engine speaks one
// platform's protocols; it never sees chunks, keys or the server. The builder
// and the reader that it is given never see a phone.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/pipeline/snapshot_builder.h"
#include "agent/restore/snapshot_reader.h"
#include "mooring/v1/backup.pb.h"
#include "mooring/v1/common.pb.h"
#include "storage/base/op_context.h"
#include "storage/base/secret_bytes.h"

namespace mooring::agent {

// Hears how a session goes. Thread-safe; never blocks for long.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  // `message` is one sentence for a person; no names from the phone.
  virtual void Report(v1::Phase phase, v1::WaitingFor waiting_for, const std::string& message) = 0;
  // The phone's own estimate, 0 to 100.
  virtual void Percent(int percent) = 0;
  // Content moved between phone and session since the last call.
  virtual void Moved(std::uint64_t files, std::uint64_t bytes) = 0;
};

// What a phone says of itself, and what it needs from its owner now.
struct ProbeResult {
  v1::DeviceFacts facts;
  v1::WaitingFor waiting_for = v1::WAITING_FOR_UNSPECIFIED;
  std::string message;
};

struct BackupOptions {
  std::vector<v1::CaptureKind> captures;
  // Bytes that the session may add: the answer to the phone's free-space question.
  std::uint64_t quota_bytes = 0;
  v1::PhoneEncryption phone_encryption = v1::PHONE_ENCRYPTION_AS_IS;
  // Password of the phone's own backup encryption; empty if not known.
  SecretBytes backup_password;
  // Categories that policy has captured, for platforms that can leave one out;
  // nullopt if the server does not say.
  std::optional<std::vector<v1::Category>> categories;
};

struct BackupOutcome {
  std::vector<v1::Capture> captures;
  v1::DeviceFacts facts;
  // Paths whose chunks a later session reads as its base, beside the manifest
  // segments: for an iPhone Manifest.db, Manifest.plist and Status.plist.
  std::vector<std::string> base_paths;
};

struct RestoreCheck {
  bool possible = false;
  // One sentence each for the person who asked.
  std::vector<std::string> obstacles;
  std::vector<std::string> warnings;
};

struct RestoreOutcome {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> remarks;
};

// One attached phone. Thread-bound: made, used and destroyed on one thread.
//
// Errors carry a v1::ErrorDetail payload with the cause (agent/device/cause.h).
// Every wait ends with the OpContext's stop or the engine's own bounds, and is
// reported through the ProgressSink while it lasts.
class Engine {
 public:
  virtual ~Engine() = default;

  // Identity and state alone; reads nothing of the phone's content. Never waits
  // for its owner: what it would wait for is in the result.
  virtual absl::StatusOr<ProbeResult> Probe(const OpContext& ctx) = 0;

  // Brings the phone to where a backup can start: trust given, unlocked. Waits
  // for the owner; called before a slot is taken. Never raises a passcode sheet.
  virtual absl::StatusOr<ProbeResult> Prepare(const OpContext& ctx, ProgressSink& progress) = 0;

  // Captures into `builder`. On error the builder is dropped and nothing is committed.
  virtual absl::StatusOr<BackupOutcome> Backup(const OpContext& ctx, const BackupOptions& options,
                                               SnapshotBuilder& builder,
                                               ProgressSink& progress) = 0;

  // Whether the snapshot can be restored to this phone, before anything is written.
  virtual absl::StatusOr<RestoreCheck> CheckRestore(const OpContext& ctx,
                                                    SnapshotReader& snapshot) = 0;

  virtual absl::StatusOr<RestoreOutcome> Restore(const OpContext& ctx, SnapshotReader& snapshot,
                                                 const SecretBytes& backup_password,
                                                 ProgressSink& progress) = 0;
};

// Tells of phones that come and go. Callbacks run on the monitor's thread.
class DeviceMonitor {
 public:
  struct Attached {
    v1::Platform platform = v1::PLATFORM_UNSPECIFIED;
    std::string serial;
    // Where it is rather than which phone it is: it does not let itself be
    // asked yet. Shown at the desk, not told to the server.
    bool provisional = false;
  };
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void OnAttached(const Attached& device) = 0;
    virtual void OnDetached(const std::string& serial) = 0;
    // The phone's trust in this workstation changed, or it was unlocked: probe again.
    virtual void OnChanged(const std::string& serial) = 0;
  };
  virtual ~DeviceMonitor() = default;
};

}  // namespace mooring::agent
