#include "agent/ios/lockdown.h"

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <usbmuxd.h>

#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr const char* kLabel = "mooring";

struct FreeDeviceList {
  void operator()(idevice_info_t* list) const { idevice_device_list_extended_free(list); }
};

// The attached phones, as they spell their UDIDs.
std::vector<std::string> AttachedUdids() {
  idevice_info_t* list = nullptr;
  int count = 0;
  if (idevice_get_device_list_extended(&list, &count) != IDEVICE_E_SUCCESS) return {};
  const std::unique_ptr<idevice_info_t, FreeDeviceList> owned(list);
  std::vector<std::string> udids;
  for (int i = 0; i < count; ++i) {
    if (list[i]->conn_type == CONNECTION_USBMUXD) udids.emplace_back(list[i]->udid);
  }
  return udids;
}

// The attached spelling of `serial`, or empty.
std::string FindUdid(const std::string& serial) {
  for (std::string& udid : AttachedUdids()) {
    if (SerialOf(udid) == SerialOf(serial)) return std::move(udid);
  }
  return {};
}

// Asks without a session; none if the phone does not tell.
Plist Ask(lockdownd_client_t client, const char* domain, const char* key) {
  plist_t value = nullptr;
  if (lockdownd_get_value(client, domain, key, &value) != LOCKDOWN_E_SUCCESS) return Plist();
  return Plist(value);
}

void SetText(PlistView values, const char* key, const std::function<void(std::string)>& set) {
  const std::optional<std::string> text = values.Get(key).text();
  if (text) set(SanitizeText(*text));
}

}  // namespace

std::string SerialOf(const std::string& udid) {
  std::string serial = udid;
  std::transform(serial.begin(), serial.end(), serial.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return serial;
}

std::set<std::string> AttachedSerials() {
  std::set<std::string> serials;
  for (const std::string& udid : AttachedUdids()) serials.insert(SerialOf(udid));
  return serials;
}

bool IsAttached(const std::string& serial) {
  return !FindUdid(serial).empty();
}

absl::StatusOr<AttachedPhone> OpenPhone(const std::string& serial) {
  AttachedPhone phone{.handle = nullptr, .udid = FindUdid(serial)};
  idevice_t handle = nullptr;
  const idevice_error_t error =
      phone.udid.empty()
          ? IDEVICE_E_NO_DEVICE
          : idevice_new_with_options(&handle, phone.udid.c_str(), IDEVICE_LOOKUP_USBMUX);
  MOORING_RETURN_IF_ERROR(DeviceStatus(error, "find the iPhone"));
  phone.handle.reset(handle);
  return phone;
}

absl::StatusOr<std::unique_ptr<Lockdown>> Lockdown::Connect(AttachedPhone& phone) {
  absl::StatusOr<PairRecord> pairing = ReadPairRecord(phone.udid);
  if (absl::IsNotFound(pairing.status())) {
    // Asked first: the library's handshake would raise the question on the phone.
    return LockdownStatus(LOCKDOWN_E_MISSING_PAIR_RECORD, "connect");
  }
  if (!pairing.ok()) return LockdownStatus(LOCKDOWN_E_INVALID_CONF, "connect");
  lockdownd_client_t client = nullptr;
  const lockdownd_error_t error =
      lockdownd_client_new_with_handshake(phone.handle.get(), &client, kLabel);
  LockdownHandle owned(client);
  MOORING_RETURN_IF_ERROR(LockdownStatus(error, "connect"));
  return std::unique_ptr<Lockdown>(new Lockdown(phone, std::move(owned), *std::move(pairing)));
}

absl::StatusOr<Plist> Lockdown::Value(const char* domain, const char* key) {
  plist_t value = nullptr;
  const lockdownd_error_t error = lockdownd_get_value(client_.get(), domain, key, &value);
  Plist owned(value);
  if (error == LOCKDOWN_E_MUX_ERROR || error == LOCKDOWN_E_SSL_ERROR ||
      error == LOCKDOWN_E_RECEIVE_TIMEOUT) {
    return LockdownStatus(error, "read a value");
  }
  return error == LOCKDOWN_E_SUCCESS ? std::move(owned) : Plist();
}

absl::StatusOr<ServiceDescriptor> Lockdown::StartService(const char* service, Escrow escrow) {
  lockdownd_service_descriptor_t descriptor = nullptr;
  lockdownd_error_t error = LOCKDOWN_E_INVALID_CONF;
  if (escrow == Escrow::kWith) {
    error = lockdownd_start_service_with_escrow_bag(client_.get(), service, &descriptor);
  }
  // Pairings without an escrow bag exist; then the phone must be unlocked.
  if (error == LOCKDOWN_E_INVALID_CONF) {
    error = lockdownd_start_service(client_.get(), service, &descriptor);
  }
  ServiceDescriptor owned(descriptor);
  MOORING_RETURN_IF_ERROR(LockdownStatus(error, fmt::format("start {}", service)));
  return owned;
}

absl::StatusOr<PhoneService> Lockdown::Start(const OpContext& ctx, Clock& clock,
                                             const char* service, Escrow escrow,
                                             absl::Duration silence_max) {
  MOORING_ASSIGN_OR_RETURN(const ServiceDescriptor descriptor, StartService(service, escrow));
  idevice_connection_t connection = nullptr;
  const idevice_error_t error = idevice_connect(phone_.handle.get(), descriptor->port, &connection);
  PhoneService started{.connection = ConnectionHandle(connection), .stream = nullptr};
  MOORING_RETURN_IF_ERROR(DeviceStatus(error, fmt::format("connect to {}", service)));
  int socket = -1;
  MOORING_RETURN_IF_ERROR(DeviceStatus(idevice_connection_get_fd(connection, &socket), service));
  MOORING_ASSIGN_OR_RETURN(started.stream, SocketPhoneStream::Make(clock, socket, silence_max));
  if (descriptor->ssl_enabled != 0) {
    MOORING_RETURN_IF_ERROR(started.stream->StartTls(ctx, pairing_));
  }
  return started;
}

absl::StatusOr<AfcHandle> Lockdown::StartAfc() {
  MOORING_ASSIGN_OR_RETURN(const ServiceDescriptor descriptor,
                           StartService(AFC_SERVICE_NAME, Escrow::kWithout));
  afc_client_t client = nullptr;
  const afc_error_t error = afc_client_new(phone_.handle.get(), descriptor.get(), &client);
  AfcHandle owned(client);
  MOORING_RETURN_IF_ERROR(AfcStatus(error, "connect to the file service"));
  return owned;
}

absl::Status ReadIdentity(AttachedPhone& phone, v1::DeviceFacts& facts) {
  facts.set_platform(v1::PLATFORM_IOS);
  facts.set_serial(SerialOf(phone.udid));
  facts.set_battery_percent(-1);
  lockdownd_client_t client = nullptr;
  const lockdownd_error_t error = lockdownd_client_new(phone.handle.get(), &client, kLabel);
  const LockdownHandle owned(client);
  MOORING_RETURN_IF_ERROR(LockdownStatus(error, "identify the iPhone"));
  char* type = nullptr;
  const lockdownd_error_t queried = lockdownd_query_type(client, &type);
  const std::unique_ptr<char, decltype(&std::free)> owned_type(type, &std::free);
  MOORING_RETURN_IF_ERROR(LockdownStatus(queried, "identify the iPhone"));
  if (std::string_view(type) != "com.apple.mobile.lockdown") {
    return Failure(absl::StatusCode::kFailedPrecondition, v1::CAUSE_PHONE_ERROR,
                   "the iPhone is in recovery mode", "Start the iPhone normally");
  }
  const Plist values = Ask(client, nullptr, nullptr);
  SetText(values.view(), "DeviceName", [&](std::string text) { facts.set_name(std::move(text)); });
  SetText(values.view(), "ProductType",
          [&](std::string text) { facts.set_model(std::move(text)); });
  SetText(values.view(), "ProductVersion",
          [&](std::string text) { facts.set_os_version(std::move(text)); });
  if (const std::optional<bool> locked = values.view().Get("PasswordProtected").boolean()) {
    facts.set_locked(*locked);
  }
  return absl::OkStatus();
}

absl::Status ReadState(Lockdown& lockdown, v1::DeviceFacts& facts) {
  MOORING_ASSIGN_OR_RETURN(const Plist name, lockdown.Value(nullptr, "DeviceName"));
  if (name.view().text()) facts.set_name(SanitizeText(*name.view().text()));
  MOORING_ASSIGN_OR_RETURN(const Plist locked, lockdown.Value(nullptr, "PasswordProtected"));
  facts.set_locked(locked.view().boolean().value_or(false));
  MOORING_ASSIGN_OR_RETURN(const Plist encrypts,
                           lockdown.Value("com.apple.mobile.backup", "WillEncrypt"));
  facts.set_phone_encrypts(encrypts.view().boolean().value_or(false));
  MOORING_ASSIGN_OR_RETURN(const Plist battery,
                           lockdown.Value("com.apple.mobile.battery", "BatteryCurrentCapacity"));
  const std::optional<std::uint64_t> percent = battery.view().integer();
  facts.set_battery_percent(percent && *percent <= 100 ? static_cast<std::int32_t>(*percent) : -1);
  MOORING_ASSIGN_OR_RETURN(const Plist capacity,
                           lockdown.Value("com.apple.disk_usage", "TotalDataCapacity"));
  MOORING_ASSIGN_OR_RETURN(const Plist available,
                           lockdown.Value("com.apple.disk_usage", "TotalDataAvailable"));
  const std::uint64_t total = capacity.view().integer().value_or(0);
  const std::uint64_t free = available.view().integer().value_or(total);
  facts.set_capacity_bytes(total);
  facts.set_used_bytes(total - std::min(total, free));
  return absl::OkStatus();
}

}  // namespace mooring::agent
