#include "agent/android/adb_monitor.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/android/phone_identity.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr absl::Duration kAskAgain = absl::Seconds(5);
// Identities that are remembered of phones that are not here any more.
constexpr std::size_t kRememberedMax = 256;

// The phone at `usb` is one of those that adb lists.
bool IsListed(const UsbPhone& usb, const std::vector<AdbListed>& listed) {
  return std::any_of(listed.begin(), listed.end(), [&](const AdbListed& one) {
    return one.usb_path == usb.path || (!usb.serial.empty() && one.serial == usb.serial);
  });
}

}  // namespace

AdbMonitor::AdbMonitor(AdbServer& server, UsbBus& usb, Clock& clock, Listener& listener,
                       const AdbMonitorPatience& patience)
    : server_(server), usb_(usb), clock_(clock), listener_(listener), patience_(patience) {
  thread_ = std::jthread([this](std::stop_token stop) { Work(std::move(stop)); });
}

AdbMonitor::~AdbMonitor() {
  thread_.request_stop();
  thread_.join();
}

void AdbMonitor::Work(std::stop_token stop) {
  OpContext ctx;
  ctx.stop = stop;
  absl::Duration retry = patience_.retry_min;
  absl::Duration retry_at = clock_.Monotonic();
  while (!stop.stop_requested()) {
    if (clock_.Monotonic() >= retry_at) {
      const std::unique_ptr<AdbTracker> tracker = Reach(ctx);
      if (tracker) {
        has_server_ = true;
        retry = patience_.retry_min;
        Follow(ctx, *tracker);
        has_server_ = false;
        listed_.clear();
      } else {
        retry = std::min(retry * 2, patience_.retry_max);
      }
      retry_at = clock_.Monotonic() + retry;
    }
    if (stop.stop_requested()) return;
    Reconcile(ctx);
    // A phone that was just plugged in should not wait for the longest retry.
    if (!usb_.Phones().empty())
      retry_at = std::min(retry_at, clock_.Monotonic() + patience_.settle);
    clock_.Sleep(std::min(patience_.look_every, retry), stop);
  }
}

std::unique_ptr<AdbTracker> AdbMonitor::Reach(const OpContext& ctx) {
  absl::StatusOr<std::unique_ptr<AdbTracker>> tracker = server_.Track(ctx);
  if (tracker.ok()) return *std::move(tracker);
  const std::vector<UsbPhone> on_usb = usb_.Phones();
  const bool wanted = std::any_of(on_usb.begin(), on_usb.end(),
                                  [](const UsbPhone& phone) { return phone.offers_adb; });
  if (!wanted || !absl::IsUnavailable(tracker.status())) return nullptr;
  if (!server_.EnsureRunning(ctx).ok()) return nullptr;
  tracker = server_.Track(ctx);
  return tracker.ok() ? *std::move(tracker) : nullptr;
}

void AdbMonitor::Follow(const OpContext& ctx, AdbTracker& tracker) {
  while (!ctx.stop.stop_requested()) {
    OpContext until = ctx;
    until.deadline = clock_.Now() + patience_.look_every;
    absl::StatusOr<std::vector<AdbListed>> listed = tracker.Next(until);
    if (listed.ok()) {
      listed_ = *std::move(listed);
    } else if (absl::IsDeadlineExceeded(listed.status())) {
      Refresh(ctx);
    } else {
      return;
    }
    Reconcile(ctx);
  }
}

void AdbMonitor::Refresh(const OpContext& ctx) {
  const bool all_usable = std::all_of(listed_.begin(), listed_.end(), [](const AdbListed& one) {
    return one.state == AdbState::kDevice;
  });
  if (all_usable) return;
  OpContext until = ctx;
  until.deadline = clock_.Now() + patience_.identify;
  absl::StatusOr<std::vector<AdbListed>> listed = server_.Devices(until);
  if (listed.ok()) listed_ = *std::move(listed);
}

std::string AdbMonitor::Identify(const OpContext& ctx, const AdbListed& listed) {
  const auto known = identities_.find(listed.transport_id);
  if (known != identities_.end()) return known->second;
  const absl::Duration now = clock_.Monotonic();
  const auto again = ask_again_at_.find(listed.transport_id);
  if (again != ask_again_at_.end() && now < again->second) return "";
  OpContext until = ctx;
  until.deadline = clock_.Now() + patience_.identify;
  const auto ask = [&]() -> absl::StatusOr<std::string> {
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<AdbDevice> device,
                             server_.Open(until, listed.transport_id));
    return IdentifyPhone(until, *device);
  };
  absl::StatusOr<std::string> identity = ask();
  // Too old to be asked, but its cable tells who it is; the probe says the rest.
  if (absl::IsUnimplemented(identity.status()) && IsDistinctiveSerial(listed.serial)) {
    identity = listed.serial;
  }
  if (!identity.ok()) {
    ask_again_at_[listed.transport_id] = clock_.Monotonic() + kAskAgain;
    return "";
  }
  if (last_identities_.size() >= kRememberedMax) last_identities_.clear();
  last_identities_[listed.serial] = *identity;
  identities_[listed.transport_id] = *identity;
  return *identity;
}

bool AdbMonitor::IsSettled(const std::string& name) {
  unsettled_.insert(name);
  const absl::Duration since = since_.emplace(name, clock_.Monotonic()).first->second;
  return clock_.Monotonic() - since >= patience_.settle;
}

void AdbMonitor::AddListed(const OpContext& ctx, const AdbListed& listed, Phones& phones) {
  Phone phone{PhoneStateOf(listed.state), listed.transport_id, false};
  std::string serial;
  if (phone.state == PhoneState::kUsable) {
    serial = Identify(ctx, listed);
    if (serial.empty()) return;
  } else {
    // Until it can be asked, it is the phone that was there under adb's name.
    const auto last = last_identities_.find(listed.serial);
    serial = last != last_identities_.end() ? last->second : listed.serial;
    phone.provisional = last == last_identities_.end() && !IsDistinctiveSerial(serial);
    if (serial.empty()) serial = fmt::format("usb:{}", listed.usb_path);
  }
  const auto before = attached_.find(serial);
  if (phone.state == PhoneState::kOffline && !IsSettled("offline " + serial)) {
    if (before == attached_.end()) return;
    phone = before->second;
  }
  // Of two that call themselves the same, the one that is here already stays; a
  // session finds both and refuses.
  const auto [there, is_new] = phones.emplace(serial, phone);
  if (!is_new && before != attached_.end() && before->second.transport_id == listed.transport_id) {
    there->second = phone;
  }
}

void AdbMonitor::AddUnlisted(const std::vector<UsbPhone>& on_usb, Phones& phones) {
  for (const UsbPhone& usb : on_usb) {
    if (IsListed(usb, listed_) || usb.serial.empty() || phones.contains(usb.serial)) continue;
    if (!IsSettled("unlisted " + usb.path)) continue;
    const PhoneState state = !usb.offers_adb ? PhoneState::kDebuggingOff
                             : has_server_   ? PhoneState::kOffline
                                             : PhoneState::kNoAdb;
    phones.emplace(usb.serial, Phone{state, 0, !IsDistinctiveSerial(usb.serial)});
  }
}

AdbMonitor::Phones AdbMonitor::Look(const OpContext& ctx) {
  Phones phones;
  unsettled_.clear();
  for (const AdbListed& listed : listed_) {
    if (ctx.stop.stop_requested()) break;
    AddListed(ctx, listed, phones);
  }
  AddUnlisted(usb_.Phones(), phones);
  std::erase_if(since_, [this](const auto& entry) { return !unsettled_.contains(entry.first); });
  const auto is_gone = [this](const auto& entry) {
    return std::none_of(listed_.begin(), listed_.end(), [&](const AdbListed& listed) {
      return listed.transport_id == entry.first;
    });
  };
  std::erase_if(identities_, is_gone);
  std::erase_if(ask_again_at_, is_gone);
  return phones;
}

void AdbMonitor::Tell(const std::string& serial, const Phone& before, const Phone& now) {
  // Plugged in anew without our hearing of the time between.
  const bool is_new_connection =
      before.transport_id != 0 && now.transport_id != 0 && before.transport_id != now.transport_id;
  if (is_new_connection || before.provisional != now.provisional) {
    listener_.OnDetached(serial);
    listener_.OnAttached({v1::PLATFORM_ANDROID, serial, now.provisional});
  } else if (before.state != now.state) {
    listener_.OnChanged(serial);
  }
}

void AdbMonitor::Reconcile(const OpContext& ctx) {
  const Phones now = Look(ctx);
  if (ctx.stop.stop_requested()) return;
  const Phones before = std::exchange(attached_, now);
  for (const auto& [serial, phone] : before) {
    if (!now.contains(serial)) listener_.OnDetached(serial);
  }
  for (const auto& [serial, phone] : now) {
    const auto known = before.find(serial);
    if (known == before.end()) {
      listener_.OnAttached({v1::PLATFORM_ANDROID, serial, phone.provisional});
    } else {
      Tell(serial, known->second, phone);
    }
  }
}

}  // namespace mooring::agent
