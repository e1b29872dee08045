// A whole conversation: the input is what a phone sends after the handshake.

#include "agent/ios/mb2_session.h"
#include "storage/base/check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/fake_snapshot.h"
#include "tests/support/scripted_phone.h"

namespace agent = mooring::agent;
using agent::Plist;

namespace {

class SilentListener final : public agent::Mb2Listener {
 public:
  absl::Status OnMessage() override { return absl::OkStatus(); }
  void OnPercent(int percent) override { MOORING_CHECK(percent >= 0 && percent <= 100); }
  void OnMoved(std::uint64_t, std::uint64_t) override {}
};

// What every phone says first.
void Greet(mooring::testing::ScriptedPhone& phone) {
  Plist offer = Plist::Array();
  offer.Add(Plist::String("DLMessageVersionExchange")).Add(Plist::Integer(400));
  Plist ready = Plist::Array();
  ready.Add(Plist::String("DLMessageDeviceReady"));
  Plist body = Plist::Dict();
  body.Set("MessageName", Plist::String("Response")).Set("ErrorCode", Plist::Integer(0));
  Plist hello = Plist::Array();
  hello.Add(Plist::String("DLMessageProcessMessage")).Add(std::move(body));
  phone.Message(offer).Message(ready).Message(hello);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  mooring::testing::ScriptedPhone phone;
  Greet(phone);
  phone.Raw({reinterpret_cast<const char*>(data), size});
  mooring::testing::FakeSnapshot snapshot;
  snapshot.files["full/Manifest.db"] = mooring::ToBytes("manifest");
  mooring::ManualClock clock(absl::UnixEpoch());
  agent::BackupFiles files(snapshot, clock, 1 << 20);
  SilentListener listener;
  agent::Mb2Session session(phone, "U", files, listener);
  MOORING_CHECK(session.Open({}).ok());
  const auto response = session.Run({}, Plist::Dict());
  MOORING_CHECK(response.ok() == (session.state() == agent::Mb2Session::State::kIdle));
  for (const auto& [path, bytes] : snapshot.files) {
    MOORING_CHECK(path.rfind("full/", 0) == 0 && path.find("..") == std::string::npos);
  }
  return 0;
}
