// Manifest.db as a hostile phone would write it.

#include "agent/ios/manifest_db.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/fake_snapshot.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  mooring::testing::BytesReader reader(mooring::Bytes(bytes, bytes + size));
  mooring::agent::VisitManifestRows(
      {}, reader, [](const mooring::agent::ManifestRow&) { return absl::OkStatus(); }, 100'000)
      .IgnoreError();
  return 0;
}
