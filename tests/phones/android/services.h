// The services that a phone's adbd offers: shell:, exec:, abb_exec:, sync:.

#pragma once

#include <string>
#include <string_view>

#include "tests/phones/android/phone.h"
#include "tests/phones/android/service_stream.h"

namespace mooring::testing::android {

bool IsService(std::string_view service);
// Serves until the service or the stream is at its end.
void RunService(AndroidPhone& phone, const std::string& service, ServiceStream& stream);

// sync: of AOSP's SYNC.TXT, versions 1 and 2.
void RunSync(AndroidPhone& phone, ServiceStream& stream);

}  // namespace mooring::testing::android
