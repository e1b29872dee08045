// imd: libimobiledevice's handles with owners, and its error codes as Status,
// in one place. Nothing else in Mooring looks at a raw <service>_error_t.
//
// Thread-bound: a handle is used by one thread for its whole life.

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include <absl/status/status.h>
#include <libimobiledevice/afc.h>
#include <libimobiledevice/libimobiledevice.h>
#include <libimobiledevice/lockdown.h>

namespace mooring::agent {

template <auto kFree>
struct ImdFree {
  template <typename T>
  void operator()(T* handle) const {
    kFree(handle);
  }
};

using DeviceHandle = std::unique_ptr<idevice_private, ImdFree<&idevice_free>>;
using ConnectionHandle = std::unique_ptr<idevice_connection_private, ImdFree<&idevice_disconnect>>;
using LockdownHandle = std::unique_ptr<lockdownd_client_private, ImdFree<&lockdownd_client_free>>;
using AfcHandle = std::unique_ptr<afc_client_private, ImdFree<&afc_client_free>>;
using ServiceDescriptor =
    std::unique_ptr<lockdownd_service_descriptor, ImdFree<&lockdownd_service_descriptor_free>>;

// OK for success. Otherwise a Failure with cause and, where the owner can do
// something, the next step: connection faults and timeouts are kUnavailable, a
// locked phone or a pending question kFailedPrecondition, a lost pairing
// kUnauthenticated, and what only a defect explains kInternal with the number.
absl::Status DeviceStatus(idevice_error_t error, std::string_view doing);
absl::Status LockdownStatus(lockdownd_error_t error, std::string_view doing);
absl::Status AfcStatus(afc_error_t error, std::string_view doing);

}  // namespace mooring::agent
