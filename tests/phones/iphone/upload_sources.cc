#include "tests/phones/iphone/upload_sources.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kPieceBytes = 128 << 10;

std::optional<CbcStream> MakeCipher(std::string_view key, CbcStream::Padding padding) {
  if (key.empty()) return std::nullopt;
  return CbcStream(CbcStream::Direction::kEncrypt, key, padding);
}

}  // namespace

absl::StatusOr<std::string_view> BytesSource::Next() {
  const std::string_view piece = std::string_view(bytes_).substr(position_, kPieceBytes);
  position_ += piece.size();
  return piece;
}

ContentSource::ContentSource(ContentLibrary& library, const ContentRef& ref, std::string_view key)
    : library_(library), ref_(ref), cipher_(MakeCipher(key, CbcStream::Padding::kPkcs7)) {
  plain_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, ref.size_bytes)));
}

absl::StatusOr<std::string_view> ContentSource::Next() {
  const std::size_t length =
      static_cast<std::size_t>(std::min<std::uint64_t>(plain_.size(), ref_.size_bytes - position_));
  if (is_finished_ || ref_.size_bytes == 0) return std::string_view();
  MOORING_RETURN_IF_ERROR(library_.Read(ref_, position_, std::span(plain_.data(), length)));
  position_ += length;
  hash_.Update({plain_.data(), length});
  is_finished_ = position_ == ref_.size_bytes;
  if (is_finished_) library_.Learn(ref_, hash_.Finish());
  if (!cipher_) return std::string_view(plain_.data(), length);
  sealed_.clear();
  if (!cipher_->Update({plain_.data(), length}, sealed_) ||
      (is_finished_ && !cipher_->Finish(sealed_))) {
    return absl::InternalError("cannot encrypt a file");
  }
  return sealed_;
}

absl::StatusOr<FileSource> FileSource::Open(const std::string& path, std::string_view key) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info {};
  if (file < 0 || fstat(file, &info) != 0) {
    return absl::UnavailableError(fmt::format("cannot read {}", path));
  }
  return FileSource(file, static_cast<std::uint64_t>(info.st_size), key);
}

FileSource::FileSource(int file, std::uint64_t size_bytes, std::string_view key)
    : file_(file),
      size_bytes_(size_bytes),
      cipher_(MakeCipher(key, CbcStream::Padding::kNone)),
      plain_(kPieceBytes, '\0') {}

FileSource::FileSource(FileSource&& other) noexcept
    : file_(std::exchange(other.file_, -1)),
      size_bytes_(other.size_bytes_),
      hash_(std::move(other.hash_)),
      cipher_(std::move(other.cipher_)),
      plain_(std::move(other.plain_)) {}

FileSource::~FileSource() {
  if (file_ >= 0) close(file_);
}

absl::StatusOr<std::string_view> FileSource::Next() {
  const ssize_t got = read(file_, plain_.data(), plain_.size());
  if (got < 0) return absl::UnavailableError("cannot read Manifest.db");
  std::string_view piece(plain_.data(), static_cast<std::size_t>(got));
  if (cipher_ && !piece.empty()) {
    sealed_.clear();
    if (!cipher_->Update(piece, sealed_)) return absl::InternalError("cannot encrypt Manifest.db");
    piece = sealed_;
  }
  hash_.Update(piece);
  return piece;
}

}  // namespace mooring::testing
