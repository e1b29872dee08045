// Entries for the manifest tests.

#pragma once

#include <string>

#include "storage/manifest/manifest.h"
#include "storage/seal/digest.h"

namespace mooring::testing {

// A chunk of 1 MiB that `number` names.
inline storage::ChunkRef TestChunk(std::uint64_t number, const DomainId& domain) {
  const auto hash = [number](std::string_view what) {
    return storage::Sha256(AsBytes(std::string(what) + std::to_string(number)));
  };
  storage::ChunkRef chunk;
  chunk.id = *ChunkId::FromBytes(ByteView(hash("id")));
  chunk.key = *storage::ChunkKey::FromBytes(ByteView(hash("key")));
  chunk.raw_bytes = 1U << 20;
  chunk.domain = domain;
  return chunk;
}

// A file of `extents` extents from chunk `first_chunk` on, 1000 bytes each.
inline storage::Entry TestFile(std::uint64_t first_chunk, std::uint64_t extents,
                               const DomainId& domain = DomainId()) {
  storage::Entry entry;
  entry.mode = 0644;
  entry.modified_unix_ns = static_cast<std::int64_t>(1'700'000'000'000'000'000 + first_chunk);
  for (std::uint64_t i = 0; i < extents; ++i) {
    entry.extents.push_back({TestChunk(first_chunk + i, domain), 16, 1000});
    entry.size_bytes += 1000;
  }
  entry.digest = *storage::FileDigest::FromBytes(
      ByteView(storage::Sha256(AsBytes("digest" + std::to_string(first_chunk)))));
  return entry;
}

inline storage::Entry TestDirectory() {
  storage::Entry entry;
  entry.type = storage::EntryType::kDirectory;
  entry.mode = 0755;
  return entry;
}

inline storage::Entry TestSymlink(std::string target) {
  storage::Entry entry;
  entry.type = storage::EntryType::kSymlink;
  entry.target = std::move(target);
  return entry;
}

// A path as an iPhone's backup has it: full/<xx>/<40 hexadecimal digits>.
inline std::string TestFileId(std::uint64_t number) {
  return ToHex(ByteView(storage::Sha256(AsBytes(std::to_string(number)))).first(20));
}
inline std::string TestPath(std::uint64_t number) {
  const std::string id = TestFileId(number);
  return "full/" + id.substr(0, 2) + "/" + id;
}

}  // namespace mooring::testing
