// A pack against a vector from an independent implementation.

#include "tests/unit/storage/vectors.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "storage/pack/pack.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::storage {
namespace {

class PackVectorTest : public ::testing::Test {
 protected:
  testing::VectorCase vector_ = testing::LoadVectors("pack.txt").at("two chunks");
  SecretBytes key_ = vector_.Secret("pack_index_key");
  Bytes object_ = vector_.Hex("object");
};

TEST_F(PackVectorTest, TheWriterMakesIt) {
  testing::FixedRandom random(vector_.Hex("nonce"));
  PackWriter writer(
      key_, random, vector_.As<PackId>("pack"), vector_.As<SessionId>("session"),
      vector_.As<DeviceId>("device"),
      absl::FromUnixMicros(static_cast<std::int64_t>(vector_.Number("created_unix_us"))));
  Bytes object;
  const auto sink = [&object](ByteView bytes) {
    Append(object, bytes);
    return absl::OkStatus();
  };
  ASSERT_TRUE(writer.Begin(sink).ok());
  for (const char* name : {"chunk_1", "chunk_2"}) {
    const Bytes sealed = vector_.Hex(name);
    ASSERT_TRUE(writer.Add(ChunkIdOf(sealed), vector_.As<DomainId>("domain"), sealed, sink).ok());
  }
  EXPECT_EQ(ToHex(writer.Finish(sink).value()), vector_.Text("pack_hash"));
  EXPECT_EQ(ToHex(object), ToHex(object_));
}

TEST_F(PackVectorTest, TheReaderReadsIt) {
  const auto footer =
      ReadPackFooter(key_, object_.size(), [this](std::uint64_t offset, std::span<std::byte> out) {
        std::copy_n(object_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
        return absl::OkStatus();
      });
  ASSERT_TRUE(footer.ok()) << footer.status();
  ASSERT_EQ(footer->entries.size(), 2U);
  EXPECT_EQ(footer->entries[1].id, ChunkIdOf(vector_.Hex("chunk_2")));
  EXPECT_EQ(footer->entries[1].domain, vector_.As<DomainId>("domain"));
  EXPECT_EQ(footer->session, vector_.As<SessionId>("session"));
}

}  // namespace
}  // namespace mooring::storage
