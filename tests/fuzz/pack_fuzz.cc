// Packs: foreign objects, and footers that a holder of the pack-index key wrote.

#include <algorithm>

#include "storage/base/check.h"
#include "storage/pack/pack.h"
#include "storage/pack/pack_format.h"
#include "tests/fuzz/fuzz.h"

using mooring::Append;
using mooring::AppendLe32;
using mooring::AppendLe64;
using mooring::AsBytes;
using mooring::Bytes;
using mooring::ByteView;
using mooring::testing::FuzzKey;

namespace storage = mooring::storage;

namespace {

void Read(ByteView object) {
  const auto read_at = [object](std::uint64_t offset, std::span<std::byte> out) -> absl::Status {
    // The reader never asks for what is not there.
    MOORING_CHECK(offset <= object.size() && out.size() <= object.size() - offset);
    std::ranges::copy(object.subspan(offset, out.size()), out.begin());
    return absl::OkStatus();
  };
  const auto footer = storage::ReadPackFooter(FuzzKey(), object.size(), read_at);
  if (!footer.ok()) return;
  std::uint64_t next = storage::kPackHeaderBytes;
  for (const storage::PackEntry& entry : footer->entries) {
    MOORING_CHECK(entry.offset == next && entry.bytes > 0);
    next += entry.bytes;
  }
  MOORING_CHECK(next < object.size());
  MOORING_CHECK(
      storage::VerifyPack(*footer, object.size(), read_at, [](const storage::PackEntry&) {}).ok());
}

// A pack whose bodies are `body_bytes` zeros and whose footer is `plain`.
Bytes PackWith(std::size_t body_bytes, ByteView plain) {
  Bytes object = mooring::ToBytes(storage::kPackMagic);
  object.push_back(storage::kPackSuite);
  object.resize(storage::kPackKeyIdAt);
  Append(object, storage::HkdfExpand(FuzzKey().view(), {AsBytes(storage::kPackKeyIdLabel)},
                                     storage::kPackKeyIdBytes)
                     .view());
  object.resize(storage::kPackHeaderBytes);
  const Bytes header = object;
  object.resize(object.size() + body_bytes);
  const std::uint64_t footer_at = object.size();
  Bytes footer(storage::kAeadNonceBytes);
  Append(footer, mooring::testing::FuzzSeal(Bytes(storage::kAeadNonceBytes),
                                            {AsBytes(storage::kPackFooterLabel), header}, plain));
  Append(object, footer);
  Bytes trailer;
  AppendLe64(trailer, footer_at);
  AppendLe32(trailer, static_cast<std::uint32_t>(footer.size()));
  Append(trailer, AsBytes(storage::kPackTrailerMagic));

  storage::Sha256Stream hash;
  hash.Update(header);
  for (std::size_t at = storage::kPackFooterFixedBytes;
       at + storage::kPackEntryBytes <= plain.size(); at += storage::kPackEntryBytes) {
    hash.Update(plain.subspan(at, 32));
  }
  hash.Update(footer);
  hash.Update(trailer);
  Append(object, trailer);
  Append(object, hash.Finish());
  return object;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const ByteView input = mooring::testing::FuzzInput(data, size);
  Read(input);
  if (input.size() >= 2) {
    // The first two bytes say how long the bodies are; the rest is the footer.
    Read(PackWith(mooring::LoadLe16(input, 0), input.subspan(2)));
  }
  return 0;
}
