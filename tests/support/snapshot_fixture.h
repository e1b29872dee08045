// What tests of builder and reader share: a session on a MemoryLink, content
// from a seed, and whole-snapshot comparison.

#pragma once

#include <map>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "agent/pipeline/snapshot_builder_impl.h"
#include "agent/restore/snapshot_reader_impl.h"
#include "tests/support/memory_link.h"

namespace mooring::testing {

inline Bytes MakeContent(std::uint64_t seed, std::size_t size) {
  Bytes bytes(size);
  SeededRandom(seed).Fill(bytes);
  return bytes;
}

// Repeats words, so that it compresses, and differs by seed.
inline Bytes MakeText(std::uint64_t seed, std::size_t size) {
  SeededRandom random(seed);
  Bytes bytes;
  bytes.reserve(size + 64);
  while (bytes.size() < size) {
    Append(bytes, AsBytes("the quick brown fox "));
    bytes.push_back(static_cast<std::byte>('a' + random.Below(26)));
  }
  bytes.resize(size);
  return bytes;
}

class SnapshotTest : public ::testing::Test {
 protected:
  using Files = std::map<std::string, Bytes>;

  void Begin() {
    v1::BeginBackupRequest request;
    request.mutable_device()->set_serial("serial");
    auto grant = link_.Begin(ctx_, request);
    ASSERT_TRUE(grant.ok()) << grant.status();
    auto builder = agent::SnapshotBuilderImpl::Create(ctx_, link_, random_, *grant,
                                                      link_.hpke_private_key(), options_);
    ASSERT_TRUE(builder.ok()) << builder.status();
    builder_ = *std::move(builder);
  }

  void Put(const std::string& path, ByteView content, agent::Domain domain = agent::Domain::kPerson,
           bool will_be_read = false) {
    agent::FileFacts facts;
    facts.modified_unix_ns = 7;
    facts.mode = 0644;
    facts.will_be_read = will_be_read;
    auto writer = builder_->Put(ctx_, path, facts, domain);
    ASSERT_TRUE(writer.ok()) << writer.status();
    // Uneven pieces, as a phone sends them.
    for (std::size_t at = 0; at < content.size();) {
      const std::size_t size = std::min<std::size_t>(content.size() - at, 1 + at % 70'000 + 30'000);
      ASSERT_TRUE((*writer)->Write(content.subspan(at, size)).ok());
      at += size;
    }
    const absl::Status closed = (*writer)->Close();
    ASSERT_TRUE(closed.ok()) << closed;
  }

  absl::StatusOr<v1::Receipt> Finish(v1::CaptureKind kind = v1::CAPTURE_KIND_FULL,
                                     std::vector<std::string> base_paths = {}) {
    agent::CommitFacts facts;
    v1::Capture capture;
    capture.set_kind(kind);
    capture.set_result(v1::CAPTURE_RESULT_COMPLETE);
    facts.captures.push_back(capture);
    facts.base_paths = std::move(base_paths);
    auto receipt = builder_->Finish(ctx_, facts);
    builder_.reset();
    return receipt;
  }

  absl::StatusOr<std::unique_ptr<agent::SnapshotReaderImpl>> OpenNewest() {
    v1::OpenSnapshotRequest request;
    auto key = storage::HpkePublicKey(link_.hpke_private_key());
    request.set_hpke_public_key(ToString(*key));
    auto opened = link_.OpenSnapshot(ctx_, request);
    if (!opened.ok()) return opened.status();
    return agent::SnapshotReaderImpl::Create(ctx_, link_, *opened, link_.hpke_private_key(),
                                             agent::ChunkFetcher::Options());
  }

  // The newest snapshot holds exactly `expected`.
  void ExpectNewestIs(const Files& expected) {
    auto reader = OpenNewest();
    ASSERT_TRUE(reader.ok()) << reader.status();
    std::size_t files = 0;
    ASSERT_TRUE((*reader)
                    ->Visit("",
                            [&](std::string_view path, const storage::Entry& entry) {
                              if (entry.type != storage::EntryType::kFile) return absl::OkStatus();
                              ++files;
                              EXPECT_EQ(expected.count(std::string(path)), 1U) << path;
                              return absl::OkStatus();
                            })
                    .ok());
    EXPECT_EQ(files, expected.size());
    std::vector<std::string> paths;
    for (const auto& [path, content] : expected) paths.push_back(path);
    (*reader)->Prefetch(paths);
    for (const auto& [path, content] : expected) {
      Bytes actual;
      const absl::Status read = (*reader)->Read(ctx_, path, [&](ByteView piece) {
        Append(actual, piece);
        return absl::OkStatus();
      });
      ASSERT_TRUE(read.ok()) << path << ": " << read;
      ASSERT_TRUE(actual == content) << path << " differs";
    }
  }

  OpContext ctx_;
  SeededRandom random_{1};
  MemoryLink link_{random_};
  agent::SnapshotBuilderImpl::Options options_;
  std::unique_ptr<agent::SnapshotBuilderImpl> builder_;
};

}  // namespace mooring::testing
