// Cuts against vectors from an independent implementation.

#include "tests/unit/storage/vectors.h"

#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include "storage/chunk/chunker.h"

namespace mooring::storage {
namespace {

// SHA-256 of 0, 1, 2, ... as 64-bit little-endian numbers.
Bytes VectorContent(std::size_t size) {
  Bytes content(size);
  for (std::size_t i = 0; i < size / SHA256_DIGEST_LENGTH; ++i) {
    Bytes number;
    AppendLe64(number, i);
    SHA256(reinterpret_cast<const unsigned char*>(number.data()), number.size(),
           reinterpret_cast<unsigned char*>(content.data()) + i * SHA256_DIGEST_LENGTH);
  }
  return content;
}

TEST(ChunkVectorsTest, Cuts) {
  const auto cases = testing::LoadVectors("chunk.txt");
  ASSERT_FALSE(cases.empty());
  for (const auto& [name, vector] : cases) {
    const Bytes content = VectorContent(vector.Number("content_bytes"));
    const Chunker chunker(vector.Secret("secret"));
    std::string cuts;
    for (ByteView rest = content; !rest.empty();) {
      const std::size_t cut = chunker.NextCut(rest, true);
      cuts += (cuts.empty() ? "" : " ") + std::to_string(cut);
      rest = rest.subspan(cut);
    }
    EXPECT_EQ(cuts, vector.Text("cuts")) << name;
  }
}

}  // namespace
}  // namespace mooring::storage
