// AdbMonitor: hears of Android phones that come and go, from the adb server's
// list and, for phones whose USB debugging is off, from the USB bus.
//
//   adb list (repeats itself) --> identities --> differences --> listener
//   USB bus (looked at)       --/
//
// Where no adb server listens it starts one, but only once a phone is on USB;
// a server that it did not start it never restarts. Without adb, or without
// phones, it is silent.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <absl/time/time.h>

#include "agent/android/adb_server.h"
#include "agent/android/phone_state.h"
#include "agent/android/usb_bus.h"
#include "agent/device/device.h"
#include "storage/base/clock.h"

namespace mooring::agent {

struct AdbMonitorPatience {
  // Between looks at the USB bus.
  absl::Duration look_every = absl::Seconds(2);
  // How long a phone may be unlisted or offline before that is news: after a
  // drop of the line it shows as offline first and returns by itself.
  absl::Duration settle = absl::Seconds(5);
  // For a phone to say who it is.
  absl::Duration identify = absl::Seconds(10);
  // Between attempts to reach a server.
  absl::Duration retry_min = absl::Seconds(1);
  absl::Duration retry_max = absl::Seconds(30);
};

// Thread-safe. The listener is called on the monitor's thread until the
// destructor returns.
class AdbMonitor final : public DeviceMonitor {
 public:
  // All outlive the monitor.
  AdbMonitor(AdbServer& server, UsbBus& usb, Clock& clock, Listener& listener,
             const AdbMonitorPatience& patience = {});
  ~AdbMonitor() override;

 private:
  struct Phone {
    PhoneState state = PhoneState::kOffline;
    std::uint64_t transport_id = 0;
    bool provisional = false;
  };
  using Phones = std::map<std::string, Phone>;

  void Work(std::stop_token stop);
  // Listens until the server goes away or stop is asked for.
  void Follow(const OpContext& ctx, AdbTracker& tracker);
  // Asks for the list where a phone is not usable yet: the server does not tell
  // trackers when one turns from offline to unauthorized.
  void Refresh(const OpContext& ctx);
  // Connects, starting a server where that is ours to do; null without one.
  std::unique_ptr<AdbTracker> Reach(const OpContext& ctx);

  // Compares what is there with what the listener was told.
  void Reconcile(const OpContext& ctx);
  Phones Look(const OpContext& ctx);
  void AddListed(const OpContext& ctx, const AdbListed& listed, Phones& phones);
  void AddUnlisted(const std::vector<UsbPhone>& on_usb, Phones& phones);
  // Who a listed phone is; empty if it cannot be said now.
  std::string Identify(const OpContext& ctx, const AdbListed& listed);
  // Whether `name` has been as it is for long enough to be told.
  bool IsSettled(const std::string& name);
  void Tell(const std::string& serial, const Phone& before, const Phone& now);

  AdbServer& server_;
  UsbBus& usb_;
  Clock& clock_;
  Listener& listener_;
  const AdbMonitorPatience patience_;

  // The monitor's thread alone, all of it.
  bool has_server_ = false;
  std::vector<AdbListed> listed_;
  Phones attached_;
  // Who the phone behind a transport id is, and behind a serial of adb's the
  // last time that it could be asked.
  std::map<std::uint64_t, std::string> identities_;
  std::map<std::string, std::string> last_identities_;
  std::map<std::uint64_t, absl::Duration> ask_again_at_;
  // Since when something that may pass is so; those not seen in a look are forgotten.
  std::map<std::string, absl::Duration> since_;
  std::set<std::string> unsettled_;

  std::jthread thread_;
};

}  // namespace mooring::agent
