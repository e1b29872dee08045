// What a simulated phone is and holds, as JSON for the control socket.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "tests/phones/android/android_farm.h"

namespace mooring::testing::android {

std::string PhoneJson(AndroidPhone& phone, std::string_view address, bool is_attached);
std::string FilesJson(const std::vector<DumpedFile>& files);
// {"sms": [{"_id": 1, ...}, ...], ...}; blobs by their SHA-256.
std::string RecordsJson(Providers& providers);
std::string SettingsJson(AndroidPhone& phone);
absl::StatusOr<std::string> PackagesJson(AndroidPhone& phone);

}  // namespace mooring::testing::android
