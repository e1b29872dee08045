// Manifest roots: foreign bytes, and bodies that a holder of the snapshot key
// sealed. What opens must seal and open to the same.

#include "storage/base/check.h"
#include "storage/base/random.h"
#include "storage/manifest/manifest.h"
#include "tests/fuzz/fuzz.h"

namespace storage = mooring::storage;

using mooring::Bytes;
using mooring::ByteView;
using mooring::testing::FuzzKey;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const ByteView input = mooring::testing::FuzzInput(data, size);
  const auto foreign = storage::OpenRoot(FuzzKey(), input);
  MOORING_CHECK(!foreign.ok() || storage::PeekRoot(input).ok());

  Bytes sealed = mooring::ToBytes("MRT1");
  sealed.push_back(std::byte{1});
  sealed.resize(84);
  const Bytes header = sealed;
  mooring::Append(sealed,
                  mooring::testing::FuzzSeal(ByteView(header).last(12),
                                             {mooring::AsBytes("mooring/root/1"), header}, input));
  const auto root = storage::OpenRoot(FuzzKey(), sealed);
  if (!root.ok()) return 0;
  mooring::SeededRandom random(1);
  const auto resealed = storage::SealRoot(FuzzKey(), random, *root);
  MOORING_CHECK(resealed.ok());
  const auto again = storage::OpenRoot(FuzzKey(), *resealed);
  MOORING_CHECK(again.ok() && again->body.SerializeAsString() == root->body.SerializeAsString());
  return 0;
}
