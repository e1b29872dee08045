// Segments, digests and roots against vectors from an independent implementation.

#include "tests/unit/storage/vectors.h"

#include <gtest/gtest.h>

#include "storage/manifest/manifest.h"
#include "storage/manifest/overlay.h"

namespace mooring::storage {
namespace {

using testing::VectorCase;

class ManifestVectorsTest : public ::testing::Test {
 protected:
  const VectorCase& Case(const std::string& name) const { return cases_.at(name); }

  std::map<std::string, VectorCase> cases_ = testing::LoadVectors("manifest.txt");
};

TEST_F(ManifestVectorsTest, Segment) {
  const VectorCase& vector = Case("segment");
  const std::vector<DomainId> domains = {vector.As<DomainId>("domain")};
  auto entries = DecodeSegment(vector.Hex("content"), domains);
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 4U);
  EXPECT_EQ((*entries)[1].path, "full/ab/two");
  EXPECT_EQ((*entries)[1].entry.extents[0].chunk.id, vector.As<ChunkId>("chunk_2_id"));
  EXPECT_EQ((*entries)[1].entry.extents[1].chunk.key, vector.As<ChunkKey>("chunk_1_key"));
  EXPECT_EQ((*entries)[1].entry.digest.hex(), Case("digest of full/ab/two").Text("digest"));
  EXPECT_EQ((*entries)[2].entry.target, "ab/one");
  EXPECT_EQ((*entries)[3].entry.mode, 0755U);

  // And the encoder makes the same bytes of it.
  Overlay overlay;
  ASSERT_TRUE(overlay.Load(*std::move(entries)).ok());
  std::vector<DomainId> table;
  std::string encoded;
  ASSERT_TRUE(SegmentEncoder::Encode(overlay, table,
                                     [&](ByteView content, std::string_view, std::uint32_t) {
                                       encoded += ToHex(content);
                                       return absl::OkStatus();
                                     })
                  .ok());
  EXPECT_EQ(encoded, vector.Text("content"));
  EXPECT_EQ(table, domains);
}

TEST_F(ManifestVectorsTest, FileDigest) {
  const VectorCase& vector = Case("digest of full/ab/two");
  FileDigester digester;
  digester.Add(vector.As<FrameHash>("frame_hash_1"), 0, 720);
  digester.Add(vector.As<FrameHash>("frame_hash_2"), 10, 4);
  EXPECT_EQ(digester.Finish().hex(), vector.Text("digest"));
}

TEST_F(ManifestVectorsTest, PathHashes) {
  for (const auto& [path, hash] : Case("path hashes").values()) {
    EXPECT_EQ(SegmentEncoder::PathHash(path), std::stoull(hash)) << path;
  }
}

TEST_F(ManifestVectorsTest, RefsDigest) {
  const VectorCase& vector = Case("refs digest");
  EXPECT_EQ(ToHex(RefsDigest({{vector.As<DomainId>("domain"),
                               {vector.As<ChunkId>("id_1"), vector.As<ChunkId>("id_2")}}})),
            vector.Text("digest"));
}

TEST_F(ManifestVectorsTest, Root) {
  const VectorCase& vector = Case("root");
  const auto root = OpenRoot(vector.Secret("snapshot_key"), vector.Hex("sealed"));
  ASSERT_TRUE(root.ok()) << root.status();
  EXPECT_EQ(root->header.snapshot, vector.As<SnapshotId>("snapshot"));
  EXPECT_EQ(root->header.parent, vector.As<SnapshotId>("parent"));
  EXPECT_EQ(root->header.sequence, vector.Number("sequence"));
  EXPECT_EQ(ToHex(AsBytes(root->body.SerializeAsString())), vector.Text("body"));
  testing::FixedRandom random(vector.Hex("nonce"));
  EXPECT_EQ(ToHex(SealRoot(vector.Secret("snapshot_key"), random, *root).value()),
            vector.Text("sealed"));
}

}  // namespace
}  // namespace mooring::storage
