#include "tests/support/genuine_adb.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "storage/base/check.h"
#include "tests/phones/android/adb_server.h"

namespace mooring::testing {
namespace {

std::uint16_t FreePort() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  MOORING_CHECK(bind(listener, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  MOORING_CHECK(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(listener);
  return ntohs(address.sin_port);
}

}  // namespace

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
