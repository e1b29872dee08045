#include "storage/manifest/manifest.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "storage/manifest/overlay.h"
#include "tests/unit/storage/manifest/test_entries.h"
#include "tests/unit/storage/test_bytes.h"

namespace mooring::storage {
namespace {

using testing::TestDirectory;
using testing::TestFile;
using testing::TestPath;
using testing::TestSecret;
using testing::TestSymlink;

struct Segment {
  Bytes content;
  std::string first_path;
  std::uint32_t entries = 0;
};

std::vector<Segment> Encode(const Overlay& overlay, std::vector<DomainId>& domains) {
  std::vector<Segment> segments;
  const absl::Status status = SegmentEncoder::Encode(
      overlay, domains, [&](ByteView content, std::string_view first, std::uint32_t entries) {
        segments.push_back({Bytes(content.begin(), content.end()), std::string(first), entries});
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
  return segments;
}

std::map<std::string, Entry> EntriesOf(const Overlay& overlay) {
  std::map<std::string, Entry> entries;
  EXPECT_TRUE(overlay
                  .Visit("",
                         [&](std::string_view path, const Entry& entry) {
                           entries.emplace(path, entry);
                           return absl::OkStatus();
                         })
                  .ok());
  return entries;
}

class SegmentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::uint64_t i = 0; i < 5000; ++i) {
      ASSERT_TRUE(
          overlay_.Put(TestPath(i), TestFile(i / 3, i % 4, i % 7 == 0 ? app_ : person_)).ok());
    }
    ASSERT_TRUE(overlay_.Put("full/link", TestSymlink("ab")).ok());
    ASSERT_TRUE(overlay_.Put("photos", TestDirectory()).ok());
  }

  SeededRandom random_{5};
  DomainId person_ = DomainId::Make(random_);
  DomainId app_ = DomainId::Make(random_);
  Overlay overlay_;
};

TEST_F(SegmentTest, RoundTrips) {
  std::vector<DomainId> domains;
  const std::vector<Segment> segments = Encode(overlay_, domains);
  EXPECT_EQ(domains.size(), 2U);
  EXPECT_GT(segments.size(), 20U);
  Overlay decoded;
  for (const Segment& segment : segments) {
    auto entries = DecodeSegment(segment.content, domains);
    ASSERT_TRUE(entries.ok()) << entries.status();
    EXPECT_EQ(entries->size(), segment.entries);
    EXPECT_EQ(entries->front().path, segment.first_path);
    ASSERT_TRUE(decoded.Load(*std::move(entries)).ok());
  }
  EXPECT_EQ(EntriesOf(decoded), EntriesOf(overlay_));
}

TEST_F(SegmentTest, OneChangedFileChangesOneSegment) {
  std::vector<DomainId> domains;
  std::set<Bytes> before;
  for (const Segment& segment : Encode(overlay_, domains)) before.insert(segment.content);
  ASSERT_TRUE(overlay_.Put(TestPath(17), TestFile(99'999, 1, person_)).ok());
  std::size_t changed = 0;
  for (const Segment& segment : Encode(overlay_, domains)) {
    changed += before.contains(segment.content) ? 0U : 1U;
  }
  EXPECT_EQ(changed, 1U);
}

TEST_F(SegmentTest, AddingOrRemovingAFileChangesAtMostTwoSegments) {
  std::vector<DomainId> domains;
  for (std::uint64_t i = 0; i < 20; ++i) {
    std::set<Bytes> before;
    for (const Segment& segment : Encode(overlay_, domains)) before.insert(segment.content);
    if (i % 2 == 0) {
      ASSERT_TRUE(overlay_.Put(TestPath(100'000 + i), TestFile(1, 1, person_)).ok());
    } else {
      ASSERT_TRUE(overlay_.Remove(TestPath(i)).ok());
    }
    std::size_t changed = 0;
    for (const Segment& segment : Encode(overlay_, domains)) {
      changed += before.contains(segment.content) ? 0U : 1U;
    }
    EXPECT_LE(changed, 2U);
  }
}

TEST_F(SegmentTest, KeepsTheDomainNumbersItWasGiven) {
  std::vector<DomainId> domains = {app_, person_};
  Encode(overlay_, domains);
  EXPECT_EQ(domains, (std::vector<DomainId>{app_, person_}));
}

TEST_F(SegmentTest, AFileOfVeryManyExtentsFitsOneSegment) {
  Entry big;
  const ChunkRef chunk = testing::TestChunk(1, person_);
  for (std::size_t i = 0; i < kExtentsMax; ++i) {
    big.extents.push_back({chunk, static_cast<std::uint32_t>(i), 1});
    ++big.size_bytes;
  }
  Overlay overlay;
  ASSERT_TRUE(overlay.Put("big", big).ok());
  std::vector<DomainId> domains;
  const std::vector<Segment> segments = Encode(overlay, domains);
  ASSERT_EQ(segments.size(), 1U);
  EXPECT_EQ(DecodeSegment(segments[0].content, domains).value()[0].entry, big);
  big.extents.push_back({chunk, 0, 1});
  ++big.size_bytes;
  EXPECT_FALSE(overlay.Put("bigger", big).ok());
}

TEST_F(SegmentTest, NoChangedByteCrashesTheDecoder) {
  std::vector<DomainId> domains;
  const Bytes good = Encode(overlay_, domains)[3].content;
  // Every byte of the first kilobyte, then every 29th.
  for (std::size_t at = 0; at < good.size(); at += at < 1024 ? 1 : 29) {
    Bytes bad = good;
    bad[at] ^= static_cast<std::byte>(1U << (at % 8));
    const auto entries = DecodeSegment(bad, domains);
    if (entries.ok()) {
      EXPECT_LE(entries->size(), kSegmentEntriesMax);
    }
    const auto truncated = DecodeSegment(ByteView(good).first(at), domains);
    if (truncated.ok()) {
      EXPECT_LE(truncated->size(), kSegmentEntriesMax);
    }
  }
}

// Each lie on its own, in an otherwise good segment.
class LyingSegmentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    format::v1::ChunkRef& chunk = *segment_.add_chunks();
    chunk.set_id(std::string(32, 'i'));
    chunk.set_key(std::string(32, 'k'));
    chunk.set_raw_bytes(1000);
    format::v1::Entry& one = *segment_.add_entries();
    one.set_suffix("a/one");
    one.set_type(format::v1::ENTRY_TYPE_FILE);
    one.set_size_bytes(1000);
    one.set_digest(std::string(32, 'd'));
    one.add_extents()->set_bytes(1000);
    format::v1::Entry& two = *segment_.add_entries();
    two.set_shared_prefix(2);
    two.set_suffix("two");
    two.set_type(format::v1::ENTRY_TYPE_DIRECTORY);
  }

  absl::Status Decode() {
    return DecodeSegment(AsBytes(segment_.SerializeAsString()), domains_).status();
  }
  void ExpectRefused() {
    EXPECT_EQ(Decode().code(), absl::StatusCode::kDataLoss) << segment_.ShortDebugString();
  }
  format::v1::Entry& one() { return *segment_.mutable_entries(0); }
  format::v1::Entry& two() { return *segment_.mutable_entries(1); }
  format::v1::ChunkRef& chunk() { return *segment_.mutable_chunks(0); }

  format::v1::ManifestSegment segment_;
  std::vector<DomainId> domains_ = {DomainId()};
};

TEST_F(LyingSegmentTest, TheHonestOneIsAccepted) {
  EXPECT_TRUE(Decode().ok()) << Decode();
}
TEST_F(LyingSegmentTest, Empty) {
  segment_.Clear();
  ExpectRefused();
}
TEST_F(LyingSegmentTest, PathsOutOfOrder) {
  two().set_suffix("a");
  ExpectRefused();
}
TEST_F(LyingSegmentTest, TheSamePathTwice) {
  two().set_suffix("one");
  ExpectRefused();
}
TEST_F(LyingSegmentTest, PathThatClimbs) {
  two().set_suffix("../x");
  ExpectRefused();
}
TEST_F(LyingSegmentTest, PrefixLongerThanThePathBefore) {
  two().set_shared_prefix(6);
  ExpectRefused();
}
TEST_F(LyingSegmentTest, OverlongPath) {
  two().set_suffix(std::string(5000, 'x'));
  ExpectRefused();
}
TEST_F(LyingSegmentTest, UnknownType) {
  two().set_type(static_cast<format::v1::EntryType>(9));
  ExpectRefused();
  two().set_type(format::v1::ENTRY_TYPE_UNSPECIFIED);
  ExpectRefused();
}
TEST_F(LyingSegmentTest, ContentOnADirectory) {
  two().set_digest(std::string(32, 'd'));
  ExpectRefused();
}
TEST_F(LyingSegmentTest, ShortDigestIdOrKey) {
  one().set_digest("short");
  ExpectRefused();
  one().set_digest(std::string(32, 'd'));
  chunk().set_id("short");
  ExpectRefused();
  chunk().set_id(std::string(32, 'i'));
  chunk().set_key("");
  ExpectRefused();
}
TEST_F(LyingSegmentTest, UnknownChunkOrDomain) {
  one().mutable_extents(0)->set_chunk(1);
  ExpectRefused();
  one().mutable_extents(0)->set_chunk(0);
  chunk().set_domain(1);
  ExpectRefused();
}
TEST_F(LyingSegmentTest, ChunkThatNobodyUses) {
  *segment_.add_chunks() = chunk();
  ExpectRefused();
}
TEST_F(LyingSegmentTest, ExtentPastItsChunk) {
  one().mutable_extents(0)->set_offset(1);
  ExpectRefused();
  one().mutable_extents(0)->set_offset(0xffff'ffff);
  ExpectRefused();
}
TEST_F(LyingSegmentTest, ExtentsThatDoNotAddUp) {
  one().set_size_bytes(1001);
  ExpectRefused();
}
TEST_F(LyingSegmentTest, ChunkOverTheLimit) {
  chunk().set_raw_bytes((16U << 20) + 1);
  ExpectRefused();
}
TEST_F(LyingSegmentTest, TooManyEntries) {
  for (std::size_t i = 2; i <= kSegmentEntriesMax; ++i) segment_.add_entries();
  ExpectRefused();
}
// Two bytes each on the wire; the parser would make a hundred of each.
TEST_F(LyingSegmentTest, AFloodOfEmptyExtents) {
  for (std::size_t i = 0; i <= kSegmentExtentsMax; ++i) one().add_extents();
  ExpectRefused();
}

class RootTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_.header.snapshot = SnapshotId::Make(random_);
    root_.header.device = DeviceId::Make(random_);
    root_.header.parent = SnapshotId::Make(random_);
    root_.header.sequence = 42;
    root_.header.created_unix_us = 1'700'000'000'000'000;
    for (const char* path : {"a", "b"}) {
      format::v1::SegmentRef& segment = *root_.body.add_segments();
      segment.mutable_chunk()->set_id(std::string(32, 'i'));
      segment.mutable_chunk()->set_key(std::string(32, 'k'));
      segment.mutable_chunk()->set_raw_bytes(100);
      segment.set_entry_count(2);
      segment.set_first_path(path);
    }
    root_.body.set_entry_count(4);
    root_.body.set_file_count(3);
    root_.body.set_logical_bytes(12345);
    root_.body.set_refs_digest(std::string(32, 'r'));
    root_.body.add_domains(std::string(16, 'd'));
    root_.body.add_captures()->set_session_id(std::string(16, 's'));
  }

  Bytes Seal() { return SealRoot(key_, random_, root_).value(); }

  SeededRandom random_{8};
  SecretBytes key_ = TestSecret(4);
  Root root_;
};

TEST_F(RootTest, RoundTrips) {
  const auto opened = OpenRoot(key_, Seal());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->header.snapshot, root_.header.snapshot);
  EXPECT_EQ(opened->header.device, root_.header.device);
  EXPECT_EQ(opened->header.parent, root_.header.parent);
  EXPECT_EQ(opened->header.sequence, 42U);
  EXPECT_EQ(opened->header.created_unix_us, 1'700'000'000'000'000);
  EXPECT_EQ(opened->body.SerializeAsString(), root_.body.SerializeAsString());
}

TEST_F(RootTest, TheHeaderReadsWithoutAKey) {
  const auto header = PeekRoot(Seal());
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->snapshot, root_.header.snapshot);
  EXPECT_EQ(header->sequence, 42U);
}

TEST_F(RootTest, RefusesEveryChangedByteEveryTruncationAndAnotherKey) {
  const Bytes good = Seal();
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= std::byte{0x02};
    EXPECT_EQ(OpenRoot(key_, bad).status().code(), absl::StatusCode::kDataLoss) << at;
    EXPECT_EQ(OpenRoot(key_, ByteView(good).first(at)).status().code(),
              absl::StatusCode::kDataLoss);
  }
  EXPECT_EQ(OpenRoot(TestSecret(5), good).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RootTest, SealingTwiceUsesTwoNonces) {
  EXPECT_NE(Seal(), Seal());
}

TEST_F(RootTest, RefusesToSealWhatItWouldNotOpen) {
  const format::v1::ManifestRoot good = root_.body;
  const auto refused = [&] {
    const absl::Status status = SealRoot(key_, random_, root_).status();
    root_.body = good;
    return status.code() == absl::StatusCode::kInvalidArgument;
  };
  root_.body.set_entry_count(5);
  EXPECT_TRUE(refused());
  root_.body.mutable_segments(1)->set_first_path("a");
  EXPECT_TRUE(refused());
  root_.body.mutable_segments(1)->set_first_path("../b");
  EXPECT_TRUE(refused());
  root_.body.mutable_segments(0)->mutable_chunk()->set_domain(1);
  EXPECT_TRUE(refused());
  root_.body.mutable_segments(0)->mutable_chunk()->set_id("");
  EXPECT_TRUE(refused());
  root_.body.set_refs_digest("");
  EXPECT_TRUE(refused());
  root_.body.add_domains(std::string(16, 'd'));
  EXPECT_TRUE(refused());
  root_.body.set_previous_root_hash("x");
  EXPECT_TRUE(refused());
  root_.body.set_file_count(5);
  EXPECT_TRUE(refused());
  EXPECT_TRUE(SealRoot(key_, random_, root_).ok());
}

TEST(RefsDigestTest, OrderAndRepetitionDoNotMatterButContentDoes) {
  SeededRandom random(9);
  const DomainId a = DomainId::Make(random);
  const DomainId b = DomainId::Make(random);
  const ChunkId x = ChunkId::Make(random);
  const ChunkId y = ChunkId::Make(random);
  const Bytes digest = RefsDigest({{a, {x, y}}, {b, {x}}});
  EXPECT_EQ(digest.size(), 32U);
  EXPECT_EQ(RefsDigest({{b, {x}}, {a, {y, x, y}}}), digest);
  EXPECT_EQ(RefsDigest({{a, {x}}, {b, {x}}, {a, {y}}}), digest);
  EXPECT_NE(RefsDigest({{a, {x}}, {b, {x, y}}}), digest);
  EXPECT_NE(RefsDigest({{a, {x, y}}}), digest);
  EXPECT_EQ(RefsDigest({{a, {}}}), RefsDigest({}));
}

TEST(FileDigestTest, FollowsTheExtents) {
  const auto digest = [](std::initializer_list<std::pair<std::uint32_t, std::uint32_t>> extents) {
    FileDigester digester;
    for (const auto& [offset, bytes] : extents) digester.Add(FrameHash(), offset, bytes);
    return digester.Finish();
  };
  EXPECT_EQ(digest({}).hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest({{0, 5}}), digest({{0, 5}}));
  EXPECT_NE(digest({{0, 5}}), digest({{5, 0}}));
  EXPECT_NE(digest({{0, 5}}), digest({{0, 5}, {0, 5}}));
}

}  // namespace
}  // namespace mooring::storage
