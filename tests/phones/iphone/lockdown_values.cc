#include "tests/phones/iphone/lockdown_values.h"

#include <utility>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

absl::StatusOr<Plist> RootValues(Phone& phone, bool in_session) {
  const PhoneIdentity& identity = phone.identity();
  MOORING_ASSIGN_OR_RETURN(const PhoneKey key, phone.Key());
  Plist values = Plist::Dict();
  values.Set("DeviceName", identity.name)
      .Set("DeviceClass", "iPhone")
      .Set("ProductName", "iPhone OS")
      .Set("ProductType", identity.product_type)
      .Set("ProductVersion", identity.ios_version)
      .Set("BuildVersion", identity.build_version)
      .Set("HardwareModel", "D17AP")
      .Set("CPUArchitecture", "arm64e")
      .Set("UniqueDeviceID", identity.udid)
      .Set("WiFiAddress", identity.wifi_address)
      .Set("DevicePublicKey", Plist::Data(key.PublicPkcs1Pem()))
      .Set("ProtocolVersion", "2");
  if (!in_session) return values;
  values.Set("SerialNumber", identity.serial)
      .Set("InternationalMobileEquipmentIdentity", identity.imei)
      .Set("MobileEquipmentIdentifier", identity.imei.substr(0, 14))
      .Set("IntegratedCircuitCardIdentity", "8944" + identity.imei)
      .Set("PhoneNumber", identity.phone_number)
      .Set("ActivationState", "Activated")
      .Set("BasebandStatus", "BBInfoAvailable")
      .Set("PasswordProtected", Plist::Boolean(phone.is_locked()))
      .Set("TimeZone", "Europe/Berlin")
      .Set("TimeIntervalSince1970",
           Plist::Real(static_cast<double>(absl::ToUnixSeconds(phone.clock().Now()))))
      .Set("TelephonyCapability", Plist::Boolean(true))
      .Set("HostAttached", Plist::Boolean(true));
  return values;
}

Plist BackupValues(Phone& phone) {
  return Plist::Dict()
      .Set("WillEncrypt", Plist::Boolean(phone.keybag() != nullptr))
      .Set("RequiresEncryption", Plist::Boolean(false))
      .Set("CloudBackupEnabled", Plist::Boolean(false))
      .Set("Version", "2.4");
}

Plist DiskValues(Phone& phone) {
  const std::uint64_t total = phone.options().capacity_bytes;
  const std::uint64_t used = phone.files()->content_bytes();
  const std::uint64_t free = used < total ? total - used : 0;
  return Plist::Dict()
      .Set("TotalDiskCapacity", Plist::Integer(total))
      .Set("TotalDataCapacity", Plist::Integer(total))
      .Set("TotalDataAvailable", Plist::Integer(free))
      .Set("AmountDataAvailable", Plist::Integer(free))
      .Set("TotalSystemCapacity", Plist::Integer(0))
      .Set("TotalSystemAvailable", Plist::Integer(0));
}

}  // namespace

absl::StatusOr<Plist> LockdownValues(Phone& phone, const std::string& domain, bool in_session) {
  if (domain.empty()) return RootValues(phone, in_session);
  if (!in_session) return absl::PermissionDeniedError("GetProhibited");
  if (domain == "com.apple.mobile.backup") return BackupValues(phone);
  if (domain == "com.apple.disk_usage" || domain == "com.apple.disk_usage.factory") {
    return DiskValues(phone);
  }
  if (domain == "com.apple.mobile.battery") {
    return Plist::Dict()
        .Set("BatteryCurrentCapacity", Plist::Integer(87))
        .Set("BatteryIsCharging", Plist::Boolean(true))
        .Set("ExternalConnected", Plist::Boolean(true))
        .Set("ExternalChargeCapable", Plist::Boolean(true))
        .Set("FullyCharged", Plist::Boolean(false))
        .Set("HasBattery", Plist::Boolean(true));
  }
  if (domain == "com.apple.mobile.iTunes") {
    return Plist::Dict()
        .Set("MinITunesVersion", "12.8")
        .Set("FairPlayDeviceType", Plist::Integer(229));
  }
  if (domain == "com.apple.fmip") return Plist::Dict().Set("IsAssociated", Plist::Boolean(false));
  if (domain == "com.apple.international") {
    return Plist::Dict().Set("Language", "en").Set("Locale", "en_US");
  }
  return Plist::Dict();
}

}  // namespace mooring::testing
