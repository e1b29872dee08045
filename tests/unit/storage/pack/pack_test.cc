#include "storage/pack/pack.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "storage/seal/sealed_chunk.h"
#include "tests/unit/storage/test_bytes.h"

namespace mooring::storage {
namespace {

using testing::RandomBytes;
using testing::TestSecret;

PackReadAt ReadFrom(const Bytes& object) {
  return [&object](std::uint64_t offset, std::span<std::byte> out) -> absl::Status {
    if (offset > object.size() || out.size() > object.size() - offset) {
      return absl::OutOfRangeError("read past the end");
    }
    std::copy_n(object.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return absl::OkStatus();
  };
}

class PackTest : public ::testing::Test {
 protected:
  absl::Status Sink(ByteView bytes) {
    Append(object_, bytes);
    return absl::OkStatus();
  }

  // A pack of `chunks` small chunks, in object_.
  PackFooter Write(std::size_t chunks) {
    const auto sink = [this](ByteView bytes) { return Sink(bytes); };
    PackWriter writer(key_, random_, PackId::Make(random_), SessionId::Make(random_),
                      DeviceId::Make(random_), absl::FromUnixMicros(1'700'000'000'123'456));
    EXPECT_TRUE(writer.Begin(sink).ok());
    for (std::size_t i = 0; i < chunks; ++i) {
      const Bytes sealed = RandomBytes(i, 40 + i * 7);
      EXPECT_TRUE(
          writer.Add(ChunkIdOf(sealed), i % 2 == 0 ? domain_ : other_domain_, sealed, sink).ok());
    }
    hash_ = writer.Finish(sink).value();
    EXPECT_EQ(writer.size_bytes(), object_.size());
    return writer.footer();
  }

  absl::StatusOr<PackFooter> Read(const Bytes& object) {
    return ReadPackFooter(key_, object.size(), ReadFrom(object));
  }

  SecretBytes key_ = TestSecret(1);
  SeededRandom random_{11};
  DomainId domain_ = DomainId::Make(random_);
  DomainId other_domain_ = DomainId::Make(random_);
  Bytes object_;
  Bytes hash_;
};

TEST_F(PackTest, RoundTrips) {
  for (const std::size_t chunks : {0U, 1U, 20U}) {
    object_.clear();
    const PackFooter written = Write(chunks);
    const auto read = Read(object_);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->pack, written.pack);
    EXPECT_EQ(read->session, written.session);
    EXPECT_EQ(read->device, written.device);
    EXPECT_EQ(read->created_at, written.created_at);
    EXPECT_EQ(read->entries, written.entries);
    EXPECT_TRUE(std::equal(hash_.begin(), hash_.end(), object_.end() - 32));
  }
}

TEST_F(PackTest, TheFooterHidesIdsDeviceAndSession) {
  const PackFooter footer = Write(3);
  const auto holds = [this](ByteView secret) {
    return std::search(object_.begin(), object_.end(), secret.begin(), secret.end()) !=
           object_.end();
  };
  EXPECT_FALSE(holds(footer.entries[1].id.view()));
  EXPECT_FALSE(holds(footer.device.view()));
  EXPECT_FALSE(holds(footer.session.view()));
  EXPECT_FALSE(holds(domain_.view()));
  EXPECT_TRUE(holds(footer.pack.view()));
}

// Header, footer and trailer: the reader refuses. Bodies: Verify names the chunk.
TEST_F(PackTest, EveryChangedByteIsFound) {
  const PackFooter footer = Write(4);
  const std::uint64_t bodies_end = footer.entries.back().offset + footer.entries.back().bytes;
  for (std::size_t at = 0; at < object_.size(); ++at) {
    Bytes bad = object_;
    bad[at] ^= std::byte{0x20};
    const auto read = Read(bad);
    if (at < 64 || at >= bodies_end) {
      EXPECT_FALSE(read.ok()) << at;
      continue;
    }
    ASSERT_TRUE(read.ok()) << at << read.status();
    std::vector<PackEntry> damaged;
    ASSERT_TRUE(VerifyPack(*read, bad.size(), ReadFrom(bad), [&damaged](const PackEntry& entry) {
                  damaged.push_back(entry);
                }).ok());
    ASSERT_EQ(damaged.size(), 1U) << at;
    EXPECT_LE(damaged[0].offset, at);
    EXPECT_GT(damaged[0].offset + damaged[0].bytes, at);
  }
}

TEST_F(PackTest, EveryTruncationAndExtensionIsRefused) {
  Write(2);
  for (std::size_t size = 0; size < object_.size(); ++size) {
    EXPECT_EQ(Read(Bytes(object_.begin(), object_.begin() + static_cast<std::ptrdiff_t>(size)))
                  .status()
                  .code(),
              absl::StatusCode::kDataLoss)
        << size;
  }
  object_.push_back(std::byte{0});
  EXPECT_FALSE(Read(object_).ok());
}

TEST_F(PackTest, AnotherKeyIsDenied) {
  Write(2);
  EXPECT_EQ(ReadPackFooter(TestSecret(2), object_.size(), ReadFrom(object_)).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(PackTest, ALyingLengthIsRefusedBeforeAnythingIsAllocated) {
  Write(2);
  for (const std::byte high : {std::byte{0x7f}, std::byte{0xff}}) {
    Bytes bad = object_;
    bad[bad.size() - 48 + 11] = high;  // Footer length near 4 GiB.
    EXPECT_EQ(Read(bad).status().code(), absl::StatusCode::kDataLoss);
    bad = object_;
    bad[bad.size() - 48 + 7] = high;  // Footer offset near 2^64.
    EXPECT_EQ(Read(bad).status().code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_FALSE(ReadPackFooter(key_, ~std::uint64_t{0}, ReadFrom(object_)).ok());
}

TEST_F(PackTest, AReadErrorIsPassedOn) {
  Write(2);
  const PackReadAt broken = [](std::uint64_t, std::span<std::byte>) {
    return absl::UnavailableError("input/output error");
  };
  EXPECT_EQ(ReadPackFooter(key_, object_.size(), broken).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(PackTest, VerifySeesAnObjectOfAnotherLength) {
  const PackFooter footer = Write(2);
  EXPECT_EQ(
      VerifyPack(footer, object_.size() - 1, ReadFrom(object_), [](const PackEntry&) {}).code(),
      absl::StatusCode::kDataLoss);
}

TEST_F(PackTest, AFullPackTakesNoMoreAndStaysGood) {
  std::uint64_t written = 0;
  Bytes tail;
  const auto count = [&](ByteView bytes) {
    written += bytes.size();
    return absl::OkStatus();
  };
  PackWriter writer(key_, random_, PackId::Make(random_), {}, {}, absl::UnixEpoch());
  ASSERT_TRUE(writer.Begin(count).ok());
  const Bytes sealed = RandomBytes(1, 8U << 20);
  const ChunkId id = ChunkIdOf(sealed);
  int added = 0;
  while (writer.Add(id, domain_, sealed, count).ok()) ++added;
  EXPECT_EQ(added, 7);
  EXPECT_FALSE(writer.has_room_for(sealed.size()));
  EXPECT_TRUE(writer.has_room_for(1U << 20));
  ASSERT_TRUE(writer.Finish(count).ok());
  EXPECT_LE(written, kPackBytesMax);
}

TEST_F(PackTest, TheNumberOfChunksIsBounded) {
  const auto drop = [](ByteView) { return absl::OkStatus(); };
  PackWriter writer(key_, random_, PackId::Make(random_), {}, {}, absl::UnixEpoch());
  ASSERT_TRUE(writer.Begin(drop).ok());
  const Bytes sealed(1);
  for (std::uint32_t i = 0; i < kPackEntriesMax; ++i) {
    ASSERT_TRUE(writer.Add(ChunkId(), domain_, sealed, drop).ok());
  }
  EXPECT_EQ(writer.Add(ChunkId(), domain_, sealed, drop).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(PackTest, TheSinksErrorIsPassedOn) {
  const auto full = [](ByteView) { return absl::ResourceExhaustedError("no space"); };
  PackWriter writer(key_, random_, PackId::Make(random_), {}, {}, absl::UnixEpoch());
  EXPECT_EQ(writer.Begin(full).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace mooring::storage
