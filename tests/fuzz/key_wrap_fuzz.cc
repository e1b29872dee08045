// Key-wrap blobs. The key seals the vectors' wraps too, so that the corpus
// reaches past the tag.

#include "storage/base/check.h"
#include "storage/seal/key_wrap.h"
#include "tests/fuzz/fuzz.h"

using mooring::ByteView;
using mooring::storage::KeyPurpose;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const ByteView input = mooring::testing::FuzzInput(data, size);
  // Purpose and subject as the blob claims them, so that the tag is what decides.
  const bool has_header = input.size() >= 48;
  const auto purpose = has_header ? static_cast<KeyPurpose>(input[4]) : KeyPurpose::kPersonKey;
  const ByteView subject = has_header ? input.subspan(22, 16) : ByteView();
  const auto key =
      mooring::storage::UnwrapKey(mooring::testing::FuzzKey(), purpose, subject, input);
  if (key.ok()) MOORING_CHECK(!key->empty() && key->size() + 76 == input.size());
  return 0;
}
