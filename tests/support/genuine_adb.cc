#include "tests/support/genuine_adb.h"

#include <cstdlib>

#include "tests/phones/android/adb_server.h"
#include "tests/phones/common/free_port.h"

namespace mooring::testing {

GenuineAdb::GenuineAdb(Clock& clock)
    : port_(FreePort()),
      server_(clock, {"127.0.0.1", port_, ""},
              {.answer = absl::Seconds(20), .silence = absl::Seconds(20)}) {
  setenv("HOME", home_.path().c_str(), 1);
  setenv("TMPDIR", home_.path().c_str(), 1);
  for (const char* name : {"ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_PORT", "ADB_VENDOR_KEYS"}) {
    unsetenv(name);
  }
}

GenuineAdb::~GenuineAdb() {
  Kill();
}

absl::Status GenuineAdb::Start() {
  return server_.EnsureRunning({}).status();
}

void GenuineAdb::Kill() {
  android::AskAdbServer(port_, "host:kill").status().IgnoreError();
}

}  // namespace mooring::testing
