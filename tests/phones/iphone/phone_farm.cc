#include "tests/phones/iphone/phone_farm.h"

#include <signal.h>

#include <cctype>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "storage/base/file.h"
#include "storage/base/ids.h"
#include "storage/base/status.h"

namespace mooring::testing {
namespace {

using Buid = Id<struct BuidTag, 16>;

}  // namespace

PhoneFarm::PhoneFarm(Options options)
    : options_(std::move(options)), library_(options_.marker, options_.temp_dir) {}

absl::StatusOr<std::unique_ptr<PhoneFarm>> PhoneFarm::Start(Options options) {
  signal(SIGPIPE, SIG_IGN);
  std::unique_ptr<PhoneFarm> farm(new PhoneFarm(std::move(options)));
  if (!farm->options_.state_dir.empty()) {
    MOORING_RETURN_IF_ERROR(RealFileSystem().CreateDirectories(farm->options_.state_dir));
  }
  MOORING_ASSIGN_OR_RETURN(farm->usbmuxd_,
                           UsbmuxServer::Start({.socket_path = farm->options_.socket_path,
                                                .state_dir = farm->options_.state_dir,
                                                .buid = Buid::Make(farm->random_).hex()}));
  farm->chores_thread_ =
      std::jthread([raw = farm.get()](std::stop_token stop) { raw->DoChores(std::move(stop)); });
  return farm;
}

PhoneFarm::~PhoneFarm() {
  if (chores_thread_.joinable()) {
    chores_thread_.request_stop();
    chores_thread_.join();
  }
  // usbmuxd_ goes next, and not by reset(), which would clear the pointer first:
  // conversations may ask the farm to pull a cable until they have ended.
}

std::string PhoneFarm::AddPhone(std::uint64_t seed, PhoneOptions options) {
  options.content.marker = options_.marker;
  auto phone = std::make_shared<Phone>(seed, std::move(options), library_, clock_, random_);
  const std::string udid = phone->identity().udid;
  phone->set_unplug([this, udid](std::uint64_t replug_ms) {
    Detach(udid);
    if (replug_ms > 0) AttachLater(udid, absl::Milliseconds(replug_ms));
  });
  (void)LoadKey(*phone);
  {
    MutexLock lock(mutex_);
    phones_.push_back(phone);
  }
  if (options_.preflight) {
    phone->AddObserver([this, udid](const std::string& name) {
      if (name != "com.apple.mobile.lockdown.request_pair") return;
      Schedule(absl::ZeroDuration(), {.kind = Chore::Kind::kPreflight, .udid = udid});
    });
  }
  Attach(udid);
  return udid;
}

// With a state directory a phone keeps its key, and hosts their pairing, over restarts.
absl::Status PhoneFarm::LoadKey(Phone& phone) {
  if (options_.state_dir.empty()) return absl::OkStatus();
  const std::string path =
      fmt::format("{}/phone-key-{}.pem", options_.state_dir, phone.identity().udid);
  const absl::StatusOr<Bytes> pem = RealFileSystem().Read(path, 64 << 10);
  if (pem.ok()) {
    MOORING_ASSIGN_OR_RETURN(PhoneKey key, PhoneKey::FromPem(ToString(*pem)));
    phone.RestoreKey(std::move(key));
    return absl::OkStatus();
  }
  MOORING_ASSIGN_OR_RETURN(const PhoneKey key, phone.Key());
  return WriteFileDurably(RealFileSystem(), path, AsBytes(key.PrivatePem()));
}

std::vector<std::string> PhoneFarm::Phones() {
  MutexLock lock(mutex_);
  std::vector<std::string> udids;
  for (const auto& phone : phones_) udids.push_back(phone->identity().udid);
  return udids;
}

std::shared_ptr<Phone> PhoneFarm::Find(std::string_view name) {
  MutexLock lock(mutex_);
  for (const auto& phone : phones_) {
    if (phone->identity().udid == name || phone->identity().serial == name) return phone;
  }
  std::size_t position = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), position);
  const bool is_number = error == std::errc() && end == name.data() + name.size();
  return is_number && position < phones_.size() ? phones_[position] : nullptr;
}

void PhoneFarm::Attach(const std::string& udid) {
  std::shared_ptr<Phone> phone = Find(udid);
  if (phone == nullptr) return;
  usbmuxd_->Attach(std::move(phone));
  if (options_.preflight) {
    Schedule(absl::ZeroDuration(), {.kind = Chore::Kind::kPreflight, .udid = udid});
  }
}

void PhoneFarm::Detach(const std::string& udid) {
  usbmuxd_->Detach(udid);
}

void PhoneFarm::AttachLater(const std::string& udid, absl::Duration delay) {
  Schedule(delay, {.kind = Chore::Kind::kAttach, .udid = udid});
}

void PhoneFarm::Schedule(absl::Duration delay, Chore chore) {
  MutexLock lock(mutex_);
  chores_.emplace(clock_.Monotonic() + delay, std::move(chore));
  changed_.NotifyAll();
}

void PhoneFarm::DoChores(std::stop_token stop) {
  while (!stop.stop_requested()) {
    Chore due;
    {
      MutexLock lock(mutex_);
      const absl::Duration now = clock_.Monotonic();
      if (chores_.empty() || chores_.begin()->first > now) {
        const absl::Duration wait =
            chores_.empty() ? absl::Seconds(3600) : chores_.begin()->first - now;
        const std::size_t before = chores_.size();
        changed_.WaitFor(mutex_, stop, wait, [this, before]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
          return chores_.size() != before;
        });
        continue;
      }
      due = chores_.begin()->second;
      chores_.erase(chores_.begin());
    }
    if (due.kind == Chore::Kind::kAttach) {
      Attach(due.udid);
    } else if (const std::shared_ptr<Phone> phone = Find(due.udid); phone != nullptr) {
      usbmuxd_->Preflight(*phone);
    }
  }
}

absl::StatusOr<std::vector<DumpedFile>> PhoneFarm::Dump(const std::string& udid) {
  const std::shared_ptr<Phone> phone = Find(udid);
  if (phone == nullptr) return absl::NotFoundError(fmt::format("no phone {}", udid));
  const std::shared_ptr<const FileTable> files = phone->files();
  std::vector<DumpedFile> dump;
  dump.reserve(files->files().size());
  for (const auto& [name, entry] : files->files()) {
    DumpedFile file;
    file.domain = name.domain;
    file.path = name.path;
    file.kind = entry.kind;
    file.size_bytes = entry.content.size_bytes;
    file.modified_unix = entry.modified_unix;
    file.mode = entry.mode;
    file.target = entry.target;
    file.encrypted_only = entry.encrypted_only;
    if (entry.kind == FileEntry::Kind::kFile) {
      MOORING_ASSIGN_OR_RETURN(const Sha256Digest digest, library_.Digest(entry.content));
      file.sha256 = HexOf(digest);
    }
    dump.push_back(std::move(file));
  }
  return dump;
}

std::vector<std::string> PhoneFarm::Violations(const std::string& udid) {
  const std::shared_ptr<Phone> phone = Find(udid);
  return phone == nullptr ? std::vector<std::string>() : phone->violations();
}

}  // namespace mooring::testing
