// Lockdown: a phone's front desk. Identity for anyone, values and services for
// a paired computer.

#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/ios/imd.h"
#include "agent/ios/pair_record.h"
#include "agent/ios/phone_stream.h"
#include "agent/ios/plist.h"
#include "mooring/v1/common.pb.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// The phone with `serial` (any case), as it is attached now.
struct AttachedPhone {
  DeviceHandle handle;
  // As the phone writes it; backup paths begin with it.
  std::string udid;
};
// kUnavailable (CAUSE_UNPLUGGED): not attached by cable.
absl::StatusOr<AttachedPhone> OpenPhone(const std::string& serial);
bool IsAttached(const std::string& serial);
// Serials of all phones that are attached by cable.
std::set<std::string> AttachedSerials();
// As DeviceFacts.serial writes a UDID: upper case.
std::string SerialOf(const std::string& udid);

// A service connection of our own: socket and stream.
struct PhoneService {
  ConnectionHandle connection;
  std::unique_ptr<SocketPhoneStream> stream;
};

// A paired session. Thread-bound; `phone` must outlive it.
class Lockdown {
 public:
  // kUnauthenticated (CAUSE_TRUST_PENDING): not paired, or the pairing is lost.
  // Never pairs and never waits for the owner.
  static absl::StatusOr<std::unique_ptr<Lockdown>> Connect(AttachedPhone& phone);

  // A value, or none: phones lack many. Errors only where the connection failed.
  absl::StatusOr<Plist> Value(const char* domain, const char* key);

  // Starts `service` and connects to it, with TLS where the phone asks for it.
  // With the escrow bag it may start while the phone is locked.
  enum class Escrow { kWithout, kWith };
  absl::StatusOr<PhoneService> Start(const OpContext& ctx, Clock& clock, const char* service,
                                     Escrow escrow, absl::Duration silence_max);
  absl::StatusOr<AfcHandle> StartAfc();

 private:
  Lockdown(AttachedPhone& phone, LockdownHandle client, PairRecord pairing)
      : phone_(phone), client_(std::move(client)), pairing_(std::move(pairing)) {}

  absl::StatusOr<ServiceDescriptor> StartService(const char* service, Escrow escrow);

  AttachedPhone& phone_;
  LockdownHandle client_;
  PairRecord pairing_;
};

// What a phone tells without trust: name, model, version. `facts` keeps what is missing.
absl::Status ReadIdentity(AttachedPhone& phone, v1::DeviceFacts& facts);
// What it tells a paired computer: lock, battery, storage, backup encryption.
absl::Status ReadState(Lockdown& lockdown, v1::DeviceFacts& facts);

}  // namespace mooring::agent
