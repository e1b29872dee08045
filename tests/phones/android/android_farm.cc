#include "tests/phones/android/android_farm.h"

#include <signal.h>

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "tests/phones/android/adb_server.h"

namespace mooring::testing::android {
namespace {

constexpr absl::Duration kTendEvery = absl::Milliseconds(200);

}  // namespace

AndroidFarm::AndroidFarm(Options options)
    : options_(std::move(options)), library_(options_.marker, options_.temp_dir) {
  tender_ = std::jthread([this](std::stop_token stop) { Tend(std::move(stop)); });
}

absl::StatusOr<std::unique_ptr<AndroidFarm>> AndroidFarm::Start(Options options) {
  signal(SIGPIPE, SIG_IGN);
  return std::unique_ptr<AndroidFarm>(new AndroidFarm(std::move(options)));
}

AndroidFarm::~AndroidFarm() {
  tender_ = {};
  std::vector<Slot> slots;
  {
    MutexLock lock(mutex_);
    slots.swap(slots_);
  }
  for (const Slot& slot : slots) slot.port->Detach();
}

std::string AndroidFarm::AddPhone(std::uint64_t seed, AndroidPhoneOptions options) {
  options.content.seed = seed;
  options.content.marker = options_.marker;
  auto phone = std::make_shared<AndroidPhone>(std::move(options), library_, clock_);
  const std::string serial = phone->identity().serial;
  auto port = std::make_unique<PhonePort>(
      *phone, [this, serial](absl::Duration pause) { Unplugged(serial, pause); });
  const absl::Status attached = port->Attach();
  MOORING_CHECK(attached.ok());
  MutexLock lock(mutex_);
  slots_.push_back({std::move(phone), std::move(port)});
  changed_.NotifyAll();
  return serial;
}

std::vector<std::string> AndroidFarm::Phones() {
  MutexLock lock(mutex_);
  std::vector<std::string> serials;
  for (const Slot& slot : slots_) serials.push_back(slot.phone->identity().serial);
  return serials;
}

std::shared_ptr<AndroidPhone> AndroidFarm::Find(std::string_view name) {
  MutexLock lock(mutex_);
  for (const Slot& slot : slots_) {
    if (slot.phone->identity().serial == name ||
        fmt::format("127.0.0.1:{}", slot.port->port()) == name) {
      return slot.phone;
    }
  }
  std::size_t position = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data(), end, position);
  const bool is_number = error == std::errc() && rest == end;
  return is_number && position < slots_.size() ? slots_[position].phone : nullptr;
}

PhonePort* AndroidFarm::PortOf(const std::string& serial) {
  MutexLock lock(mutex_);
  for (const Slot& slot : slots_) {
    if (slot.phone->identity().serial == serial) return slot.port.get();
  }
  return nullptr;
}

std::string AndroidFarm::Address(const std::string& serial) {
  PhonePort* port = PortOf(serial);
  return port == nullptr ? "" : fmt::format("127.0.0.1:{}", port->port());
}

void AndroidFarm::Attach(const std::string& serial) {
  PhonePort* port = PortOf(serial);
  if (port == nullptr) return;
  // Somebody may have taken the port meanwhile: it is tried again until it is free.
  if (!port->Attach().ok()) AttachLater(serial, kTendEvery);
  MutexLock lock(mutex_);
  changed_.NotifyAll();
}

void AndroidFarm::Detach(const std::string& serial) {
  PhonePort* port = PortOf(serial);
  if (port == nullptr) return;
  port->Detach();
  Unplugged(serial, absl::ZeroDuration());
}

void AndroidFarm::AttachLater(const std::string& serial, absl::Duration delay) {
  MutexLock lock(mutex_);
  due_.emplace(clock_.Monotonic() + delay, serial);
  changed_.NotifyAll();
}

bool AndroidFarm::IsAttached(const std::string& serial) {
  PhonePort* port = PortOf(serial);
  return port != nullptr && port->is_attached();
}

void AndroidFarm::Unplugged(const std::string& serial, absl::Duration pause) {
  if (options_.adb_server_port != 0) {
    const std::string address = Address(serial);
    MutexLock lock(mutex_);
    gone_.push_back(address);
    changed_.NotifyAll();
  }
  if (pause > absl::ZeroDuration()) AttachLater(serial, pause);
}

void AndroidFarm::Tend(std::stop_token stop) {
  while (!stop.stop_requested()) {
    std::vector<std::string> gone;
    {
      MutexLock lock(mutex_);
      changed_.WaitFor(mutex_, stop, kTendEvery, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return !gone_.empty() || (!due_.empty() && due_.begin()->first <= clock_.Monotonic());
      });
      gone.swap(gone_);
    }
    if (stop.stop_requested()) return;
    for (const std::string& address : gone) {
      (void)AskAdbServer(options_.adb_server_port, "host:disconnect:" + address);
    }
    AttachDue();
    if (options_.adb_server_port != 0) ConnectAll();
  }
}

void AndroidFarm::AttachDue() {
  std::vector<std::string> serials;
  {
    MutexLock lock(mutex_);
    while (!due_.empty() && due_.begin()->first <= clock_.Monotonic()) {
      serials.push_back(due_.begin()->second);
      due_.erase(due_.begin());
    }
  }
  for (const std::string& serial : serials) Attach(serial);
}

void AndroidFarm::ConnectAll() {
  for (const std::string& serial : Phones()) {
    PhonePort* port = PortOf(serial);
    if (!port->is_attached() || port->has_connections()) continue;
    // The server may still list the connection that broke.
    (void)AskAdbServer(options_.adb_server_port, "host:disconnect:" + Address(serial));
    (void)AskAdbServer(options_.adb_server_port, "host:connect:" + Address(serial));
  }
}

absl::StatusOr<std::vector<DumpedFile>> AndroidFarm::Dump(const std::string& serial) {
  const std::shared_ptr<AndroidPhone> phone = Find(serial);
  if (phone == nullptr) return absl::NotFoundError(fmt::format("no phone {}", serial));
  std::vector<std::pair<std::string, FileInfo>> found;
  const auto collect = [&](const std::string& root, const std::string& shown) {
    phone->files().tree().ForEach(root, [&](const std::string& path, const FileInfo& info) {
      found.emplace_back(shown + path.substr(root.size()), info);
    });
  };
  collect(std::string(kSharedStorage), "/sdcard");
  const std::string& card = phone->files().options().sd_card;
  if (!card.empty()) collect("/storage/" + card, "/storage/" + card);
  std::vector<DumpedFile> dump;
  dump.reserve(found.size());
  for (auto& [path, info] : found) {
    DumpedFile file{.path = std::move(path), .kind = info.kind, .sha256 = {}};
    if (info.kind == FileInfo::Kind::kFile) {
      file.size_bytes = info.size_bytes();
      file.modified_unix = info.modified_unix();
      MOORING_ASSIGN_OR_RETURN(const Sha256Digest digest, library_.Digest(info.content));
      file.sha256 = HexOf(digest);
    }
    dump.push_back(std::move(file));
  }
  return dump;
}

std::vector<std::string> AndroidFarm::Violations(const std::string& serial) {
  const std::shared_ptr<AndroidPhone> phone = Find(serial);
  return phone == nullptr ? std::vector<std::string>() : phone->violations();
}

}  // namespace mooring::testing::android
