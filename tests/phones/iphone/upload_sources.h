// The three origins of bytes that a phone uploads.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "tests/phones/common/content.h"
#include "tests/phones/iphone/crypto.h"
#include "tests/phones/iphone/device_link.h"

namespace mooring::testing {

class BytesSource final : public UploadSource {
 public:
  explicit BytesSource(std::string bytes) : bytes_(std::move(bytes)) {}
  absl::StatusOr<std::string_view> Next() override;

 private:
  const std::string bytes_;
  std::size_t position_ = 0;
};

// The content of a file of the phone, encrypted if there is a key. Its digest is
// learned by the library on the way.
class ContentSource final : public UploadSource {
 public:
  ContentSource(ContentLibrary& library, const ContentRef& ref, std::string_view key);
  absl::StatusOr<std::string_view> Next() override;

 private:
  ContentLibrary& library_;
  const ContentRef ref_;
  std::uint64_t position_ = 0;
  bool is_finished_ = false;
  Sha256Stream hash_;
  std::optional<CbcStream> cipher_;
  std::string plain_;
  std::string sealed_;
};

// A file of this machine (Manifest.db), encrypted without padding if there is a key.
// Computes the digest of what it gave.
class FileSource final : public UploadSource {
 public:
  static absl::StatusOr<FileSource> Open(const std::string& path, std::string_view key);
  FileSource(FileSource&& other) noexcept;
  ~FileSource() override;

  absl::StatusOr<std::string_view> Next() override;
  std::uint64_t size_bytes() const { return size_bytes_; }
  Sha256Digest Digest() { return hash_.Finish(); }

 private:
  FileSource(int file, std::uint64_t size_bytes, std::string_view key);

  int file_;
  std::uint64_t size_bytes_;
  Sha256Stream hash_;
  std::optional<CbcStream> cipher_;
  std::string plain_;
  std::string sealed_;
};

}  // namespace mooring::testing
