// AdbServer: our client for the adb server's own protocol ("smart socket"): host
// services, and the way to a phone's services. No adb process per operation.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "agent/android/adb_address.h"
#include "agent/android/adb_device.h"
#include "agent/android/adb_list.h"
#include "agent/android/adb_stream.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// How long to wait for whom.
struct AdbPatience {
  absl::Duration answer = absl::Seconds(20);  // The server, about itself.
  absl::Duration silence = absl::Minutes(5);  // A phone, in the middle of something.
  absl::Duration start = absl::Seconds(20);   // `adb start-server`.
};

// The list of phones, as it changes. Thread-bound.
class AdbTracker {
 public:
  virtual ~AdbTracker() = default;
  // The next list; the first comes at once, and the same list may come again.
  // Waits without bound but the context's; after kDeadlineExceeded it may be
  // asked again. kUnavailable: the server went away.
  virtual absl::StatusOr<std::vector<AdbListed>> Next(const OpContext& ctx) = 0;
};

// Thread-safe: each call has a connection of its own.
//
// Errors: kUnavailable without a cause when no server answers, with
// CAUSE_UNPLUGGED when a phone is not there (any more); kPermissionDenied
// (CAUSE_TRUST_PENDING) for a phone that is not authorized; kInvalidArgument
// (CAUSE_PROTOCOL_ERROR) for an answer that is none.
class AdbServer {
 public:
  AdbServer(Clock& clock, AdbAddress address, const AdbPatience& patience = {});

  const AdbAddress& address() const { return address_; }

  // Starts the server with `adb start-server` where none listens; true if it
  // did. kNotFound: adb is not installed. kFailedPrecondition: the address is
  // not of this machine.
  absl::StatusOr<bool> EnsureRunning(const OpContext& ctx);

  // The protocol version of the server, for example 41.
  absl::StatusOr<int> Version(const OpContext& ctx);
  absl::StatusOr<AdbFeatures> HostFeatures(const OpContext& ctx);
  absl::StatusOr<std::vector<AdbListed>> Devices(const OpContext& ctx);
  absl::StatusOr<std::unique_ptr<AdbTracker>> Track(const OpContext& ctx);

  // The features that a phone announced.
  absl::StatusOr<AdbFeatures> Features(const OpContext& ctx, std::uint64_t transport_id);
  // The phone under `transport_id`, which is one attachment of it: unplugged and
  // plugged in again it has another. The server outlives it.
  absl::StatusOr<std::unique_ptr<AdbDevice>> Open(const OpContext& ctx, std::uint64_t transport_id);
  // A connection to `service` of that phone.
  absl::StatusOr<std::unique_ptr<AdbStream>> OpenService(const OpContext& ctx,
                                                         std::uint64_t transport_id,
                                                         std::string_view service,
                                                         QuietListener listener = nullptr);

 private:
  absl::StatusOr<std::unique_ptr<AdbSocket>> Connect(const OpContext& ctx, absl::Duration silence,
                                                     QuietListener listener);
  // One question to the server, answered with a text.
  absl::StatusOr<std::string> Ask(const OpContext& ctx, std::string_view request);

  Clock& clock_;
  const AdbAddress address_;
  const AdbPatience patience_;
};

}  // namespace mooring::agent
