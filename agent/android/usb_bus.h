// UsbBus: the phones on this computer's USB as the kernel sees them, whether or
// not adb does. Tells a phone whose USB debugging is off from no phone at all.

#pragma once

#include <string>
#include <vector>

#include "storage/base/file.h"

namespace mooring::agent {

struct UsbPhone {
  std::string path;    // Where it is plugged in, as adb calls it, for example 1-2.
  std::string serial;  // The serial number of its descriptor; may be empty.
  std::string product;
  // It offers adb: USB debugging is on.
  bool offers_adb = false;
};

// Thread-safe.
class UsbBus {
 public:
  virtual ~UsbBus() = default;
  // Devices of known makers of Android phones with an interface that phones
  // have (file transfer, pictures or adb). Empty where there is no USB.
  virtual std::vector<UsbPhone> Phones() = 0;
};

// From the kernel's descriptions, normally below /sys/bus/usb/devices.
class SysfsUsbBus final : public UsbBus {
 public:
  SysfsUsbBus(FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  std::vector<UsbPhone> Phones() override;

 private:
  // One line of a description; empty if there is none.
  std::string Line(const std::string& name) const;

  FileSystem& files_;
  const std::string directory_;
};

}  // namespace mooring::agent
