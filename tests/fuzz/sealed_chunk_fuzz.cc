// Sealed chunks: the server's check of foreign bytes, and frames that a holder
// of the key sealed.

#include "storage/base/check.h"
#include "storage/seal/sealed_chunk.h"
#include "tests/fuzz/fuzz.h"

using mooring::Bytes;
using mooring::ByteView;
using mooring::storage::ChunkIdOf;
using mooring::storage::ChunkKey;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const ByteView input = mooring::testing::FuzzInput(data, size);
  const ChunkKey key = ChunkKey::FromBytes(mooring::testing::FuzzKey().view()).value();
  const bool has_form = mooring::storage::CheckSealedChunk(input).ok();
  const auto foreign = mooring::storage::OpenChunk(input, ChunkIdOf(input), key);
  MOORING_CHECK(has_form || !foreign.ok());

  Bytes sealed = {std::byte{1}, std::byte{2}, std::byte{0}, std::byte{0}};
  const Bytes header = sealed;
  mooring::Append(sealed,
                  mooring::testing::FuzzSeal(Bytes(mooring::storage::kAeadNonceBytes),
                                             {mooring::AsBytes("mooring/chunk/1"), header}, input));
  const auto opened = mooring::storage::OpenChunk(sealed, ChunkIdOf(sealed), key);
  if (opened.ok()) MOORING_CHECK(opened->kind == mooring::storage::ChunkKind::kManifestSegment);
  return 0;
}
