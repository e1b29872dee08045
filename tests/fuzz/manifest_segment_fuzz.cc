// Manifest segments: what decodes must load, encode and decode to the same.

#include "storage/base/check.h"
#include "storage/manifest/overlay.h"
#include "tests/fuzz/fuzz.h"

namespace storage = mooring::storage;

using mooring::Bytes;
using mooring::ByteView;
using mooring::DomainId;

namespace {

std::vector<storage::PathEntry> Decoded(ByteView content, const std::vector<DomainId>& domains) {
  auto entries = storage::DecodeSegment(content, domains);
  MOORING_CHECK(entries.ok());
  return *std::move(entries);
}

void CheckRoundTrip(const std::vector<storage::PathEntry>& entries,
                    std::vector<DomainId>& domains) {
  storage::Overlay overlay;
  // A file above another entry decodes alone but does not load.
  if (!overlay.Load(entries).ok()) return;
  std::vector<storage::PathEntry> again;
  const absl::Status encoded = storage::SegmentEncoder::Encode(
      overlay, domains, [&](ByteView content, std::string_view, std::uint32_t) {
        for (storage::PathEntry& entry : Decoded(content, domains)) {
          again.push_back(std::move(entry));
        }
        return absl::OkStatus();
      });
  MOORING_CHECK(encoded.ok() && again.size() == entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    MOORING_CHECK(again[i].path == entries[i].path && again[i].entry == entries[i].entry);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const ByteView input = mooring::testing::FuzzInput(data, size);
  DomainId one = *DomainId::FromBytes(mooring::testing::FuzzKey().view().first(16));
  std::vector<DomainId> domains = {DomainId(), one};
  const auto entries = storage::DecodeSegment(input, domains);
  if (!entries.ok()) return 0;
  MOORING_CHECK(!entries->empty() && entries->size() <= storage::kSegmentEntriesMax);
  for (const storage::PathEntry& item : *entries) {
    MOORING_CHECK(storage::CheckSnapshotPath(item.path).ok());
    MOORING_CHECK(storage::CheckEntry(item.entry).ok());
  }
  CheckRoundTrip(*entries, domains);
  return 0;
}
