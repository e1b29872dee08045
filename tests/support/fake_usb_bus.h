// FakeUsbBus: phones on USB that a test plugs in.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/android/usb_bus.h"
#include "storage/base/mutex.h"

namespace mooring::testing {

inline agent::UsbPhone UsbPhoneAt(std::string path, std::string serial, bool offers_adb = false) {
  agent::UsbPhone phone;
  phone.path = std::move(path);
  phone.serial = std::move(serial);
  phone.offers_adb = offers_adb;
  return phone;
}

// Thread-safe.
class FakeUsbBus final : public agent::UsbBus {
 public:
  std::vector<agent::UsbPhone> Phones() override {
    MutexLock lock(mutex_);
    return phones_;
  }
  void Set(std::vector<agent::UsbPhone> phones) {
    MutexLock lock(mutex_);
    phones_ = std::move(phones);
  }

 private:
  Mutex mutex_;
  std::vector<agent::UsbPhone> phones_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::testing
