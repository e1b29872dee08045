#include "tests/phones/iphone/backup_files.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "tests/phones/iphone/plist.h"

namespace mooring::testing {

std::string EncodeStatusPlist(const StatusFile& status, absl::Time now) {
  return Plist::Dict()
      .Set("UUID", status.uuid)
      .Set("Date", Plist::DateFromUnix(absl::ToUnixSeconds(now)))
      .Set("Version", "3.3")
      .Set("BackupState", "new")
      .Set("SnapshotState", status.snapshot_state)
      .Set("IsFullBackup", Plist::Boolean(status.is_full))
      .Binary();
}

std::string EncodeManifestPlist(Phone& phone, const Keybag* keybag,
                                const std::string& manifest_key) {
  const PhoneIdentity& identity = phone.identity();
  Plist lockdown = Plist::Dict();
  lockdown.Set("UniqueDeviceID", identity.udid)
      .Set("SerialNumber", identity.serial)
      .Set("DeviceName", identity.name)
      .Set("ProductType", identity.product_type)
      .Set("ProductVersion", identity.ios_version)
      .Set("BuildVersion", identity.build_version);
  Plist applications = Plist::Dict();
  for (const char* app : {"com.example.chat", "com.example.mail", "com.example.office"}) {
    applications.Set(app, Plist::Dict()
                              .Set("CFBundleIdentifier", app)
                              .Set("CFBundleVersion", "123")
                              .Set("Path", fmt::format("/var/containers/Bundle/{}", app)));
  }
  Plist manifest = Plist::Dict();
  manifest.Set("Version", "10.0")
      .Set("Date", Plist::DateFromUnix(absl::ToUnixSeconds(phone.clock().Now())))
      .Set("SystemDomainsVersion", "24.0")
      .Set("WasPasscodeSet", Plist::Boolean(phone.options().passcode != PasscodeMode::kNone))
      .Set("IsEncrypted", Plist::Boolean(keybag != nullptr))
      .Set("Lockdown", std::move(lockdown))
      .Set("Applications", std::move(applications));
  if (keybag != nullptr) {
    manifest.Set("BackupKeyBag", Plist::Data(keybag->encoded()));
    manifest.Set("ManifestKey", Plist::Data(manifest_key));
  }
  return manifest.Binary();
}

std::string PayloadPath(const std::string& file_id) {
  return file_id.substr(0, 2) + "/" + file_id;
}

}  // namespace mooring::testing
