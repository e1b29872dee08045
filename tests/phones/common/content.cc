#include "tests/phones/common/content.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kBlockBytes = 4096;
constexpr std::size_t kMarkerOffset = 256;
constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15ULL;
constexpr std::uint32_t kEditsSeenMax = 64;  // Older edits of a block make no difference.

// How often `block` was rewritten: the last edit that touched it.
std::uint64_t BlockVersion(const ContentRef& ref, std::uint64_t block, std::uint64_t blocks) {
  const std::uint32_t oldest = ref.edits > kEditsSeenMax ? ref.edits - kEditsSeenMax : 0;
  for (std::uint32_t edit = ref.edits; edit > oldest; --edit) {
    const std::uint64_t dice = Scramble(ref.seed ^ (edit * kGolden));
    if (dice % blocks == block || Scramble(dice ^ block) % 16 == 0) return edit;
  }
  return oldest;
}

void FillRandom(std::uint64_t seed, std::span<char> out) {
  for (std::size_t i = 0; i + 8 <= out.size(); i += 8) {
    const std::uint64_t word = Scramble(seed + (i + 1) * kGolden);
    std::memcpy(out.data() + i, &word, sizeof(word));
  }
}

// A quarter random, the rest words of eight letters that repeat.
void FillCompressible(std::uint64_t seed, std::span<char> out) {
  FillRandom(seed, out.first(out.size() / 4));
  std::array<std::array<char, 8>, 16> words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::uint64_t letters = Scramble(seed ^ (i + 77));
    for (char& letter : words[i]) {
      letter = static_cast<char>('a' + letters % 26);
      letters /= 26;
    }
    words[i].back() = ' ';
  }
  for (std::size_t i = out.size() / 4; i + 128 <= out.size(); i += 128) {
    std::uint64_t dice = Scramble(seed + i * kGolden);
    for (std::size_t word = 0; word < 16; ++word, dice >>= 4) {
      std::memcpy(out.data() + i + word * 8, words[dice & 15].data(), 8);
    }
  }
}

std::string_view HeaderOf(ContentKind kind) {
  switch (kind) {
    case ContentKind::kJpeg:
      return {"\xFF\xD8\xFF\xE0\x00\x10JFIF\x00", 11};
    case ContentKind::kMovie:
      return {
          "\x00\x00\x00\x14"
          "ftypqt  ",
          12};
    case ContentKind::kDatabase:
      return {"SQLite format 3\0", 16};
    case ContentKind::kApk:
      return {"PK\x03\x04", 4};
    case ContentKind::kText:
    case ContentKind::kKept:
      break;
  }
  return {};
}

absl::Status ReadFileAt(int file, std::uint64_t offset, std::span<char> out) {
  while (!out.empty()) {
    const ssize_t got = pread(file, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return absl::DataLossError("restored content cannot be read back");
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return absl::OkStatus();
}

absl::Status WriteFileAt(int file, std::uint64_t offset, std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return absl::ResourceExhaustedError("no room to keep restored content");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return absl::OkStatus();
}

std::string KeyOf(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

std::uint64_t Scramble(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

absl::StatusOr<int> OpenUnlinkedFile(const std::string& directory) {
  std::string path = directory + "/simulated-phone-XXXXXX";
  const int file = mkostemp(path.data(), O_CLOEXEC);
  if (file < 0) return absl::UnavailableError(fmt::format("cannot make a file in {}", directory));
  unlink(path.c_str());
  return file;
}

ContentLibrary::ContentLibrary(std::string marker, std::string directory)
    : marker_(std::move(marker)), directory_(std::move(directory)) {}

ContentLibrary::~ContentLibrary() {
  if (kept_file_ >= 0) close(kept_file_);
}

void ContentLibrary::MakeBlock(const ContentRef& ref, std::uint64_t block,
                               std::span<char> out) const {
  const std::uint64_t blocks =
      std::max<std::uint64_t>(1, (ref.size_bytes + kBlockBytes - 1) / kBlockBytes);
  const std::uint64_t seed =
      Scramble(ref.seed + block * kGolden) ^ Scramble(BlockVersion(ref, block, blocks));
  if (ref.kind == ContentKind::kJpeg || ref.kind == ContentKind::kMovie ||
      ref.kind == ContentKind::kApk) {
    FillRandom(seed, out);
  } else {
    FillCompressible(seed, out);
  }
  if (ref.has_marker && kMarkerOffset + marker_.size() <= out.size()) {
    std::memcpy(out.data() + kMarkerOffset, marker_.data(), marker_.size());
  }
  const std::string_view header = HeaderOf(ref.kind);
  if (block == 0) std::memcpy(out.data(), header.data(), header.size());
  if (block == 0 && ref.kind == ContentKind::kApk) {
    const std::string name = fmt::format("{}{:016x}\n", kApkMark, ref.seed);
    std::memcpy(out.data() + header.size(), name.data(), name.size());
  }
}

absl::Status ContentLibrary::Read(const ContentRef& ref, std::uint64_t offset,
                                  std::span<char> out) {
  if (ref.kind == ContentKind::kKept) {
    MutexLock lock(mutex_);
    return ReadFileAt(kept_file_, ref.seed + offset, out);
  }
  std::array<char, kBlockBytes> scratch;
  while (!out.empty()) {
    const std::size_t within = offset % kBlockBytes;
    const std::size_t length = std::min(out.size(), kBlockBytes - within);
    if (length == kBlockBytes) {
      MakeBlock(ref, offset / kBlockBytes, out.first(kBlockBytes));
    } else {
      MakeBlock(ref, offset / kBlockBytes, scratch);
      std::memcpy(out.data(), scratch.data() + within, length);
    }
    out = out.subspan(length);
    offset += length;
  }
  return absl::OkStatus();
}

absl::StatusOr<Sha256Digest> ContentLibrary::Digest(const ContentRef& ref) {
  {
    MutexLock lock(mutex_);
    if (const auto found = digests_.find(ref); found != digests_.end()) return found->second;
  }
  Sha256Stream hash;
  std::vector<char> buffer(256 << 10);
  for (std::uint64_t offset = 0; offset < ref.size_bytes;) {
    const std::size_t length =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), ref.size_bytes - offset));
    MOORING_RETURN_IF_ERROR(Read(ref, offset, std::span(buffer).first(length)));
    hash.Update({buffer.data(), length});
    offset += length;
  }
  const Sha256Digest digest = hash.Finish();
  Learn(ref, digest);
  return digest;
}

bool ContentLibrary::IsKnown(const ContentRef& ref) {
  MutexLock lock(mutex_);
  return digests_.contains(ref);
}

void ContentLibrary::Learn(const ContentRef& ref, const Sha256Digest& digest) {
  MutexLock lock(mutex_);
  digests_.try_emplace(ref, digest);
  by_digest_.try_emplace(KeyOf(digest), ref);
}

std::optional<ContentRef> ContentLibrary::Find(const Sha256Digest& digest,
                                               std::uint64_t size_bytes) {
  MutexLock lock(mutex_);
  const auto found = by_digest_.find(KeyOf(digest));
  if (found == by_digest_.end() || found->second.size_bytes != size_bytes) return std::nullopt;
  return found->second;
}

absl::StatusOr<ContentRef> ContentLibrary::Keep(int source, std::uint64_t size_bytes,
                                                const Sha256Digest& digest) {
  ContentRef ref;
  ref.kind = ContentKind::kKept;
  ref.size_bytes = size_bytes;
  {
    MutexLock lock(mutex_);
    if (kept_file_ < 0) {
      MOORING_ASSIGN_OR_RETURN(kept_file_, OpenUnlinkedFile(directory_));
    }
    ref.seed = kept_bytes_;
    std::vector<char> buffer(256 << 10);
    for (std::uint64_t done = 0; done < size_bytes;) {
      const std::size_t length =
          static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size_bytes - done));
      const std::span<char> piece = std::span(buffer).first(length);
      MOORING_RETURN_IF_ERROR(ReadFileAt(source, done, piece));
      MOORING_RETURN_IF_ERROR(WriteFileAt(kept_file_, kept_bytes_ + done, piece));
      done += length;
    }
    kept_bytes_ += size_bytes;
  }
  Learn(ref, digest);
  return ref;
}

IncomingContent::~IncomingContent() {
  if (file_ >= 0) close(file_);
}

absl::Status IncomingContent::Append(std::string_view bytes) {
  if (file_ < 0) {
    MOORING_ASSIGN_OR_RETURN(file_, OpenUnlinkedFile(library_.directory()));
  }
  MOORING_RETURN_IF_ERROR(WriteFileAt(file_, size_bytes_, bytes));
  hash_.Update(bytes);
  if (head_.size() < kBlockBytes) head_ += bytes.substr(0, kBlockBytes - head_.size());
  size_bytes_ += bytes.size();
  return absl::OkStatus();
}

absl::StatusOr<ContentRef> IncomingContent::Finish() {
  const Sha256Digest digest = hash_.Finish();
  if (const auto known = library_.Find(digest, size_bytes_)) return *known;
  if (size_bytes_ == 0) return ContentRef{};
  return library_.Keep(file_, size_bytes_, digest);
}

}  // namespace mooring::testing
