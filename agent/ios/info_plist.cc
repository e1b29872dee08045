#include "agent/ios/info_plist.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "agent/ios/afc_files.h"
#include "agent/ios/installed_apps.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// Lockdown's names and what Info.plist calls them.
constexpr std::array<std::pair<const char*, const char*>, 10> kIdentity = {{
    {"BuildVersion", "Build Version"},
    {"DeviceName", "Device Name"},
    {"DeviceName", "Display Name"},
    {"IntegratedCircuitCardIdentity", "ICCID"},
    {"InternationalMobileEquipmentIdentity", "IMEI"},
    {"MobileEquipmentIdentifier", "MEID"},
    {"PhoneNumber", "Phone Number"},
    {"ProductType", "Product Type"},
    {"ProductVersion", "Product Version"},
    {"SerialNumber", "Serial Number"},
}};

// What iTunes copies from /iTunes_Control/iTunes.
constexpr std::array kITunesFiles = {
    "ApertureAlbumPrefs",   "IC-Info.sidb",      "IC-Info.sidv",     "PhotosFolderAlbums",
    "PhotosFolderName",     "PhotosFolderPrefs", "VoiceMemos.plist", "iPhotoAlbumPrefs",
    "iTunesApplicationIDs", "iTunesPrefs",       "iTunesPrefs.plist"};
constexpr std::uint64_t kITunesFileBytesMax = std::uint64_t{1} << 20;
// Given where the phone does not say which iTunes it wants.
constexpr const char* kITunesVersion = "10.0.1";

// A random UUID's digits without dashes, as iTunes writes it.
std::string MakeGuid(Random& random) {
  Bytes bytes(16);
  random.Fill(bytes);
  std::string hex = ToHex(bytes);
  for (char& c : hex) {
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  }
  return hex;
}

Plist ReadITunesFiles(afc_client_t afc) {
  Plist files = Plist::Dict();
  if (afc == nullptr) return files;
  for (const char* name : kITunesFiles) {
    const absl::StatusOr<Bytes> content =
        ReadAfcFile(afc, fmt::format("/iTunes_Control/iTunes/{}", name), kITunesFileBytesMax);
    if (content.ok() && !content->empty()) files.Set(name, Plist::Data(*content));
  }
  return files;
}

}  // namespace

absl::StatusOr<Plist> BuildInfoPlist(const OpContext& ctx, Clock& clock, Random& random,
                                     Lockdown& lockdown, const std::string& udid,
                                     afc_client_t afc) {
  MOORING_ASSIGN_OR_RETURN(const Plist values, lockdown.Value(nullptr, nullptr));
  Plist info = Plist::Dict();
  for (const auto& [theirs, ours] : kIdentity) {
    const std::optional<std::string> text = values.view().Get(theirs).text();
    if (text) info.Set(ours, Plist::String(SanitizeText(*text)));
  }
  info.Set("GUID", Plist::String(MakeGuid(random)))
      .Set("Last Backup Date", Plist::Date(absl::ToUnixSeconds(clock.Now())))
      .Set("Target Identifier", Plist::String(udid))
      .Set("Target Type", Plist::String("Device"))
      .Set("Unique Identifier", Plist::String(SerialOf(udid)));

  MOORING_ASSIGN_OR_RETURN(const Plist minimum,
                           lockdown.Value("com.apple.mobile.iTunes", "MinITunesVersion"));
  info.Set("iTunes Version", Plist::String(minimum.view().text().value_or(kITunesVersion)));
  MOORING_ASSIGN_OR_RETURN(const Plist settings, lockdown.Value("com.apple.iTunes", nullptr));
  info.Set("iTunes Settings",
           settings.view().is_dict() ? Plist::CopyOf(settings.view()) : Plist::Dict());
  info.Set("iTunes Files", ReadITunesFiles(afc));

  absl::StatusOr<InstalledApps> apps = ReadInstalledApps(ctx, clock, lockdown);
  if (absl::IsCancelled(apps.status())) return apps.status();
  if (!apps.ok()) apps = InstalledApps{Plist::Array(), Plist::Dict()};
  info.Set("Installed Applications", std::move(apps->bundle_ids))
      .Set("Applications", std::move(apps->applications));
  return info;
}

}  // namespace mooring::agent
