// The formats of storage/seal against vectors from an independent implementation.

#include "tests/unit/storage/vectors.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "storage/seal/frame.h"
#include "storage/seal/hpke.h"
#include "storage/seal/hpke_schedule.h"
#include "storage/seal/key_ring.h"
#include "storage/seal/key_wrap.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::storage {
namespace {

using testing::FixedRandom;
using testing::VectorCase;

class SealVectorsTest : public ::testing::Test {
 protected:
  const VectorCase& Case(const std::string& name) const { return cases_.at(name); }

  std::map<std::string, VectorCase> cases_ = testing::LoadVectors("seal.txt");
};

TEST_F(SealVectorsTest, Padme) {
  for (const auto& [bytes, padded] : Case("padme").values()) {
    EXPECT_EQ(PadmeBytes(std::stoull(bytes)), std::stoull(padded)) << bytes;
  }
}

TEST_F(SealVectorsTest, Frames) {
  for (const char* name : {"frame raw", "frame empty"}) {
    const Frame frame = Frame::Make(Case(name).Hex("content"), Compression::kNone).value();
    EXPECT_EQ(ToHex(frame.view()), Case(name).Text("frame"));
  }
  // Decoding only: what zstd makes of the same content varies with its version.
  for (const char* name : {"frame raw", "frame empty", "frame zstd"}) {
    EXPECT_EQ(DecodeFrame(Case(name).Hex("frame")).value(), Case(name).Hex("content"));
  }
}

TEST_F(SealVectorsTest, SealedChunks) {
  for (const char* name :
       {"sealed raw file data", "sealed zstd segment", "sealed empty metadata"}) {
    const VectorCase& vector = Case(name);
    const auto opened =
        OpenChunk(vector.Hex("sealed"), vector.As<ChunkId>("id"), vector.As<ChunkKey>("key"));
    ASSERT_TRUE(opened.ok()) << name << opened.status();
    EXPECT_EQ(static_cast<std::byte>(opened->kind), vector.Hex("kind")[0]);
    EXPECT_EQ(opened->frame_hash.hex(), vector.Text("frame_hash"));
    EXPECT_EQ(opened->content, DecodeFrame(vector.Hex("frame")).value());
  }
  for (const char* name : {"sealed raw file data", "sealed empty metadata"}) {
    const VectorCase& vector = Case(name);
    const Bytes content = DecodeFrame(vector.Hex("frame")).value();
    const SealedChunk chunk =
        ChunkSealer(vector.Secret("domain_secret"))
            .Seal(Frame::Make(content, Compression::kNone).value(),
                  static_cast<ChunkKind>(std::to_integer<std::uint8_t>(vector.Hex("kind")[0])))
            .value();
    EXPECT_EQ(ToHex(chunk.bytes), vector.Text("sealed"));
    EXPECT_EQ(chunk.id.hex(), vector.Text("id"));
    EXPECT_EQ(chunk.key.hex(), vector.Text("key"));
  }
}

TEST_F(SealVectorsTest, DomainKeys) {
  const VectorCase& vector = Case("domain keys");
  const DomainKeys keys = DeriveDomainKeys(vector.Secret("root_key"));
  EXPECT_EQ(keys.id.hex(), vector.Text("id"));
  EXPECT_EQ(ToHex(keys.domain_secret.view()), vector.Text("domain_secret"));
  EXPECT_EQ(ToHex(keys.chunker_secret.view()), vector.Text("chunker_secret"));
}

TEST_F(SealVectorsTest, KeyWraps) {
  const VectorCase& vector = Case("key wrap");
  ManualClock clock(
      absl::FromUnixMicros(static_cast<std::int64_t>(vector.Number("created_unix_us"))));
  FixedRandom random(vector.Hex("nonce"));
  EXPECT_EQ(ToHex(WrapKey(vector.Secret("kek"), random, clock, KeyPurpose::kPersonKey,
                          vector.Hex("subject"), vector.Hex("key"))
                      .value()),
            vector.Text("wrap"));
  const auto key = UnwrapKey(vector.Secret("kek"), KeyPurpose::kPersonKey, vector.Hex("subject"),
                             vector.Hex("wrap"));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(ToHex(key->view()), vector.Text("key"));
}

TEST_F(SealVectorsTest, SnapshotKeyWraps) {
  const VectorCase& vector = Case("snapshot wrap");
  ManualClock clock(
      absl::FromUnixMicros(static_cast<std::int64_t>(vector.Number("created_unix_us"))));
  FixedRandom random(vector.Hex("nonce"));
  const auto snapshot = vector.As<SnapshotId>("snapshot");
  const SecretBytes person_key = vector.Secret("person_key");
  EXPECT_EQ(
      ToHex(WrapSnapshotKey(random, clock, person_key, snapshot, vector.Secret("snapshot_key"))
                .value()),
      vector.Text("wrap"));
  EXPECT_EQ(ToHex(UnwrapSnapshotKey(person_key, snapshot, vector.Hex("wrap"))->view()),
            vector.Text("snapshot_key"));
}

TEST_F(SealVectorsTest, KekFile) {
  const VectorCase& vector = Case("kek file");
  const std::string path = ::testing::TempDir() + "mooring-kek-vector";
  std::filesystem::remove(path);
  FixedRandom random(vector.Hex("kek"));
  ASSERT_TRUE(FileKekProvider::Create(RealFileSystem(), random, path).ok());
  EXPECT_EQ(ToHex(RealFileSystem().Read(path, 1000).value()), vector.Text("file"));
  std::filesystem::remove(path);
}

TEST_F(SealVectorsTest, Hpke) {
  const VectorCase& vector = Case("hpke");
  const Bytes public_key = vector.Hex("recipient_public");
  const Bytes info = vector.Hex("info");
  EXPECT_EQ(HpkePublicKey(vector.Secret("recipient_private")).value(), public_key);
  FixedRandom random(vector.Hex("ephemeral_private"));
  EXPECT_EQ(
      ToHex(HpkeSeal(random, public_key, AsText(info), vector.Hex("aad"), vector.Hex("plaintext"))
                .value()),
      vector.Text("sealed"));
  EXPECT_EQ(ToHex(HpkeOpen(vector.Secret("recipient_private"), AsText(info), vector.Hex("aad"),
                           vector.Hex("sealed"))
                      ->view()),
            vector.Text("plaintext"));
  const HpkeContext context =
      HpkeKeySchedule(kHpkeAes256Gcm, vector.Secret("shared_secret"), AsText(info));
  EXPECT_EQ(ToHex(context.key.view()), vector.Text("key"));
  EXPECT_EQ(ToHex(context.base_nonce), vector.Text("base_nonce"));
}

}  // namespace
}  // namespace mooring::storage
