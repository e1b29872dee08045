#include "agent/android/usb_bus.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace mooring::agent {
namespace {

constexpr std::size_t kLineBytesMax = 256;
constexpr std::size_t kDevicesMax = 1024;

// Makers of Android phones by their USB vendor ids. Some make other things too,
// so the interfaces decide.
constexpr std::array<std::uint16_t, 30> kVendors = {
    0x0409, 0x0421, 0x0482, 0x0489, 0x04dd, 0x04e8, 0x0502, 0x05c6, 0x05e0, 0x0955,
    0x0b05, 0x0bb4, 0x0e8d, 0x0fce, 0x1004, 0x109b, 0x12d1, 0x1782, 0x17ef, 0x18d1,
    0x19d2, 0x1bbb, 0x22b8, 0x22d9, 0x2717, 0x2a70, 0x2ae5, 0x2d95, 0x2e04, 0x339b};

std::optional<std::uint16_t> ParseHex(std::string_view text) {
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What people and logs may see of a descriptor's text.
std::string Plain(std::string text) {
  std::erase_if(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte > 0x7e;
  });
  return text;
}

}  // namespace

std::string SysfsUsbBus::Line(const std::string& name) const {
  const auto bytes = files_.Read(directory_ + "/" + name, std::uint64_t{64} << 10);
  if (!bytes.ok()) return "";
  std::string_view text = AsText(*bytes);
  text = text.substr(0, std::min(text.find('\n'), kLineBytesMax));
  return Plain(std::string(text));
}

std::vector<UsbPhone> SysfsUsbBus::Phones() {
  const auto entries = files_.List(directory_);
  if (!entries.ok()) return {};
  std::vector<UsbPhone> phones;
  // A device is called 1-2, its interfaces 1-2:1.0 and so on; sorted, they follow it.
  for (const FileInfo& entry : *entries) {
    if (phones.size() == kDevicesMax) break;
    if (entry.name.find(':') != std::string::npos) continue;
    const auto vendor = ParseHex(Line(entry.name + "/idVendor"));
    if (!vendor || !std::binary_search(kVendors.begin(), kVendors.end(), *vendor)) continue;
    UsbPhone phone;
    bool is_phone = false;
    for (const FileInfo& part : *entries) {
      if (!part.name.starts_with(entry.name + ":")) continue;
      const std::string kind = Line(part.name + "/bInterfaceClass") +
                               Line(part.name + "/bInterfaceSubClass") +
                               Line(part.name + "/bInterfaceProtocol");
      const bool adb = kind == "ff4201";
      // Pictures (PTP), which is also how file transfer (MTP) shows on most phones.
      const bool transfer = kind == "060101" || Line(part.name + "/interface") == "MTP";
      phone.offers_adb = phone.offers_adb || adb;
      is_phone = is_phone || adb || transfer;
    }
    if (!is_phone) continue;
    phone.path = entry.name;
    phone.serial = Line(entry.name + "/serial");
    phone.product = Line(entry.name + "/product");
    phones.push_back(std::move(phone));
  }
  return phones;
}

}  // namespace mooring::agent
